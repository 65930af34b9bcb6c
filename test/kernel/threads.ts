// The threads of this process. Those of clients are known by their name (native/worker.cc).
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** How many of clients are in which namespace, and how many of them wait inside the kernel; where all others are. */
export function threads() {
  const clients: Record<string, number> = {}
  const others = new Set<string>()
  let waiting = 0
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      const where = readlinkSync(`/proc/self/task/${thread}/ns/net`)
      const [, name, state] = /\((.*)\) (.)/.exec(
        readFileSync(`/proc/self/task/${thread}/stat`, 'utf8'),
      )!
      if (name !== 'ipvs') others.add(where)
      else {
        clients[where] = (clients[where] ?? 0) + 1
        if (state === 'D') waiting++
      }
    } catch {} // has ended since
  }
  return { clients, waiting, others: [...others] }
}
