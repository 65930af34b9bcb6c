import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** The least busy CPU we may use; by chance among equals, so that two guests rarely share one. */
export async function idleCpu(): Promise<number> {
  const before = busyTicks()
  await sleep(50)
  const after = busyTicks()
  const busy = allowedCpus().map((cpu) => ({
    cpu,
    ticks: (after.get(cpu) ?? 0) - (before.get(cpu) ?? 0),
    chance: Math.random(),
  }))
  busy.sort((a, b) => a.ticks - b.ticks || a.chance - b.chance)
  return busy[0]!.cpu
}

/** Those this process may run on. */
export function allowedCpus(): number[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '0'
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i)
  })
}

function busyTicks(): Map<number, number> {
  const lines = readFileSync('/proc/stat', 'utf8').matchAll(/^cpu(\d+) (.*)$/gm)
  return new Map(
    [...lines].map(([, cpu, fields]) => {
      const [user, nice, system, , , irq, softirq] = fields!.split(' ').map(Number)
      return [Number(cpu), user! + nice! + system! + irq! + softirq!]
    }),
  )
}
