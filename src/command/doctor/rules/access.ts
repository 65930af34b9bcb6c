// May IPVS be used here at all?
import type { Facts, Refusal } from '../facts.js'
import type { Finding } from '../finding.js'

export function access({ access, table }: Facts): Finding[] {
  if (access.granted) return []
  const { reason, message } = access
  const { commands, why } = WAYS[reason]
  const reads = 'value' in table && table.value.from === '/proc/net/ip_vs'
  const still = reads ? ' The table was read from /proc/net/ip_vs instead.' : ''
  return [{ rule: reason, severity: 'error', what: message, about: [], why: why + still, commands }]
}

const REFUSED = 'Nothing can be programmed, and most of what the doctor looks at stays unseen.'

const WAYS: Readonly<Record<Refusal['reason'], Pick<Finding, 'commands' | 'why'>>> = {
  platform: { why: 'IPVS is part of the Linux kernel.', commands: ['npx ipvs lab -- ipvs doctor'] },
  'no-binary': {
    why: 'The library cannot speak to the kernel without its native part.',
    commands: ['npx ipvs build-addon'],
  },
  'addons-disabled': {
    why: `${REFUSED} Node.js was told to load no addons.`,
    commands: ['NODE_OPTIONS="--permission --allow-addons --allow-fs-read=*" npx ipvs doctor'],
  },
  'no-module': {
    why: 'Without the module ip_vs there is no table. In a container the kernel is that of the host: load it there.',
    commands: ['modprobe ip_vs', 'echo ip_vs > /etc/modules-load.d/ip_vs.conf'],
  },
  'user-namespace': {
    why: `${REFUSED} The kernel wants CAP_NET_ADMIN in the initial user namespace, which rootless containers never have.`,
    commands: ['docker run --cap-add NET_ADMIN IMAGE'],
  },
  permission: { why: REFUSED, commands: ['sudo npx ipvs doctor'] },
  other: { why: REFUSED, commands: [] },
}
