// How findings name services, and the commands that change them.
import { formatRules, type ListedDestination, type ListedService } from '../../../rules/index.js'
import type { Destination, Service, ServiceTree } from '../../../types.js'
import { nameOf } from '../facts.js'

export const names = (services: readonly ListedService[]) => services.map(nameOf)

/** The options of `ipvsadm` that name a service: `-u 192.0.2.1:53`. */
export function serviceWords(service: ListedService): string {
  return /^-A (.*?) -s /.exec(rules(service, {})[0]!)![1]!
}

/** The command that changes some settings of a service and leaves the others. */
export function editService(service: ListedService, change: Partial<Service>): string {
  return `ipvsadm ${rules(service, change)[0]!.replace(/^-A/, '-E')}`
}

/** The same for a server. */
export function editServer(
  service: ListedService,
  server: ListedDestination,
  change: Partial<Destination>,
): string {
  const whole = { forwarding: 'direct', ...server, ...change }
  return `ipvsadm ${rules(service, {}, [whole])[1]!.replace(/^-a/, '-e')}`
}

function rules(
  { stats: _, persistence, ...service }: ListedService,
  change: object,
  destinations: readonly object[] = [],
): string[] {
  const whole = {
    scheduler: 'wlc',
    ...service,
    // The kernel's own listing does not say how long.
    ...(persistence && { persistence: { timeoutSeconds: 360, ...persistence } }),
    ...change,
    destinations,
  }
  return formatRules([whole as ServiceTree])
    .trimEnd()
    .split('\n')
}
