// Who gets a connection, and who gets none.
import { type Facts, known, nameOf, servicesOf } from '../facts.js'
import type { Finding } from '../finding.js'
import { editServer, editService, names, serviceWords } from './words.js'

export function schedulers({ schedulers, file = [] }: Facts): Finding[] {
  const missing = Object.entries(known(schedulers) ?? {})
    .filter(([, works]) => !works)
    .map(([name]) => name)
  if (missing.length === 0) return []
  return [
    {
      rule: 'no-scheduler',
      severity: 'error',
      what: `This kernel does not have the scheduler ${missing.join(', ')}.`,
      about: file
        .filter(({ scheduler = '' }) => missing.includes(scheduler))
        .map((one) => `${nameOf(one)} (${one.scheduler})`),
      why: 'It refuses these services. It loads a scheduler by itself where its module is installed.',
      commands: missing.map((name) => `modprobe ip_vs_${name}`),
    },
  ]
}

export function hashRefuses(facts: Facts): Finding[] {
  const services = servicesOf(facts).filter(
    ({ scheduler, schedulerFlags = [], destinations }) =>
      (scheduler === 'sh' || scheduler === 'mh') &&
      destinations.some(({ weight }) => weight === 0) &&
      !schedulerFlags.some((flag) => flag.endsWith('-fallback')),
  )
  if (services.length === 0) return []
  return [
    {
      rule: 'hash-refuses',
      severity: 'error',
      what: 'Clients are hashed to a server with weight 0.',
      about: names(services),
      why: 'Without fallback they are refused, not moved, for as long as its weight is 0.',
      commands: services.map((one) => {
        const fallback = one.scheduler === 'sh' ? 'sh-fallback' : 'mh-fallback'
        return editService(one, { schedulerFlags: [...(one.schedulerFlags ?? []), fallback] })
      }),
    },
  ]
}

export function portZero(facts: Facts): Finding[] {
  const services = servicesOf(facts).filter(
    ({ port, persistence }) => port === 0 && persistence === undefined,
  )
  if (services.length === 0) return []
  return [
    {
      rule: 'port-0',
      severity: 'error',
      what: 'A service for all ports has no persistence.',
      about: names(services),
      why: 'The kernel then refuses every packet to this address whose port has no service of its own.',
      commands: services.map((one) => editService(one, { persistence: { timeoutSeconds: 360 } })),
    },
  ]
}

export function nobodyServes(facts: Facts): Finding[] {
  const services = servicesOf(facts).filter(({ destinations }) =>
    destinations.every(({ weight }) => weight === 0),
  )
  if (services.length === 0) return []
  return [
    {
      rule: 'nobody-serves',
      severity: 'error',
      what: 'Services have no server with a weight.',
      about: names(services),
      why: 'New clients are refused at once (ICMP port unreachable).',
      commands: services.map((one) => {
        const [first] = one.destinations
        return first === undefined
          ? `ipvsadm -a ${serviceWords(one)} -r SERVER`
          : editServer(one, first, { weight: 1 })
      }),
    },
  ]
}
