// May IPVS be used here at all?
import type { Facts, Refusal } from '../facts.js'
import type { Finding } from '../finding.js'

export function access({ access, table }: Facts): Finding[] {
  if (access.granted) return []
  const { reason, message } = access
  const { what, commands } = WAYS[reason]
  const reads = 'value' in table && table.value.from === '/proc/net/ip_vs'
  const still = reads
    ? ' The table was read from /proc/net/ip_vs, which does not have all of it.'
    : ''
  const why = `${message.replace(/^(?!ipvs )./, (first) => first.toUpperCase()).replace(/\.?$/, '.')}${still}`
  return [{ rule: reason, severity: 'error', what, about: [], why, commands }]
}

const WAYS: Readonly<Record<Refusal['reason'], Pick<Finding, 'what' | 'commands'>>> = {
  platform: { what: 'This is not Linux.', commands: ['npx ipvs lab -- COMMAND'] },
  'no-binary': {
    what: 'The native part of this package does not fit this machine.',
    commands: ['npx ipvs build-addon'],
  },
  'addons-disabled': {
    what: 'Node.js may not load the native part of this package.',
    commands: ["node --permission --allow-addons --allow-fs-read='*' PROGRAM"],
  },
  'no-module': {
    what: 'There is no IPVS in this kernel.',
    commands: ['modprobe ip_vs', 'echo ip_vs > /etc/modules-load.d/ip_vs.conf'],
  },
  'user-namespace': {
    what: 'This process is in a user namespace of its own.',
    commands: ['docker run --cap-add NET_ADMIN IMAGE'],
  },
  permission: { what: 'This user may not use IPVS.', commands: ['sudo npx ipvs doctor'] },
  other: { what: 'IPVS could not be opened.', commands: ['ipvs list'] },
}
