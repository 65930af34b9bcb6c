// A real DNS server for a namespace.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { startIn } from '../network/namespaces.js'
import { addresses, port, questionName, type Server } from '../network/three-servers.js'

/** One that has not started by then hangs. */
const startMs = 60_000

/** Starts dnsmasq on a server; resolves when it says that it has started. */
export async function startDnsmasq(server: Server): Promise<ChildProcess> {
  const child = startIn(server, [
    ...['dnsmasq', '--keep-in-foreground', '--log-facility=-', '--conf-file=/dev/null'],
    ...['--pid-file=', '--user=root', '--no-resolv', '--no-hosts', `--port=${port}`],
    // No --bind-interfaces: bound to every address, it answers on the virtual one and on its own.
    `--address=/${questionName}/${addresses[server]}`,
  ])
  let said = ''
  child.stdout?.resume()
  const running = new Promise<void>((resolve) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('started, version')) resolve()
    })
  })
  const ended = once(child, 'close').then(([code, signal]) => {
    throw new Error(
      `dnsmasq on ${server} did not start (${signal ?? `exit status ${code}`}). It said:\n${said}`,
    )
  })
  const late = new AbortController()
  const tooLate = sleep(startMs, undefined, { signal: late.signal }).then(() => {
    throw new Error(`dnsmasq on ${server} has not started in time. It said:\n${said}`)
  })
  // Whichever loses the race may reject later, and nobody is to hear of it.
  for (const promise of [ended, tooLate]) promise.catch(() => {})
  await Promise.race([running, ended, tooLate]).finally(() => late.abort())
  return child
}
