// What a process has open, once the threads of its closed clients have ended: they do so shortly after close().
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Threads of clients, by the name that they give themselves (native/worker.cc). */
export function clientThreads() {
  return readdirSync('/proc/self/task').filter((thread) => {
    try {
      return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8') === 'ipvs\n'
    } catch {
      return false // has ended since
    }
  }).length
}

/** Waits until no more than `clients` threads are left, and counts what there is. */
export async function settled(clients = 0) {
  do await sleep(10)
  while (clientThreads() > clients)
  return {
    threads: readdirSync('/proc/self/task').length,
    descriptors: readdirSync('/proc/self/fd').length,
  }
}
