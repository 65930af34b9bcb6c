// Who else writes the table.
import { type Facts, known, type Owner } from '../facts.js'
import type { Finding } from '../finding.js'

export function otherOwner({ processes, sets, chains, devices }: Facts): Finding[] {
  const owners: Owner[] = [
    ...(known(processes) ?? []),
    ...DUMMIES.filter(({ device }) => known(devices)?.includes(device)).map(
      ({ program, device }) => ({ program, trace: `interface ${device}` }),
    ),
    ...(known(sets) ?? []),
    ...(known(chains) ?? []),
  ]
  if (owners.length === 0) return []
  const programs = [...new Set(owners.map(({ program }) => program))]
  return [
    {
      rule: 'other-owner',
      severity: 'note',
      what: `Another program works on this table: ${programs.join(', ')}.`,
      about: owners.map(({ program, trace }) => `${program} (${trace})`),
      why: 'Two programs that own the same services undo what the other does, and some remove all that they do not know. Let one own them, or stop the other.',
      commands: programs.map((program) => STOP[program] ?? `systemctl stop ${program}`),
    },
  ]
}

/** Interfaces that carry virtual addresses for them. */
const DUMMIES = [
  { program: 'kube-proxy', device: 'kube-ipvs0' },
  { program: 'kube-router', device: 'kube-dummy-if' },
]

const STOP: Readonly<Record<string, string>> = {
  'kube-proxy': 'kube-proxy --cleanup',
  'kube-router': 'kube-router --cleanup-config',
}
