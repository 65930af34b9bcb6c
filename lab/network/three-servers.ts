// One LAN in one kernel: a client, a director and three DNS servers, each a network namespace with
// an eth0 that is plugged into a bridge in a sixth one, "switch".
//
//     client .10 ─┐                  ┌─ dns1 .11   (each: VIP on lo)
//                 ├─ switch (br0) ───┼─ dns2 .12
//   director .1 ──┘                  └─ dns3 .13
//   (VIP .53 on eth0, IPVS)
//
// Direct routing: the director passes a query on without changing its addresses, so every server
// has the virtual address too (on lo, and silent about it in ARP) and answers the client itself.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

export const vip = '192.0.2.53'
export const port = 53
/** Every server answers it with its own address. */
export const questionName = 'whoami.demo'

export const addresses = { dns1: '192.0.2.11', dns2: '192.0.2.12', dns3: '192.0.2.13' } as const
export type Server = keyof typeof addresses
export const servers = Object.keys(addresses) as Server[]

/** The server with this address, or undefined. */
export const serverAt = (address: string): Server | undefined =>
  servers.find((server) => addresses[server] === address)

const hosts = { client: '192.0.2.10', director: '192.0.2.1', ...addresses }
const isServer = (name: string): name is Server => name in addresses

/** Runs a program to its end and gives its output; an error shows what it said. */
export async function run(program: string, args: string[], input = ''): Promise<string> {
  const running = promisify(execFile)(program, args)
  running.child.stdin?.on('error', () => {}).end(input)
  try {
    return (await running).stdout
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    const given = input === '' ? '' : `\nIts input was:\n${input}`
    throw new Error(
      `"${program} ${args.join(' ')}" failed: ${stderr.trim() || message}${given}\n` +
        'This needs root and a kernel with network namespaces, veth, bridge and ip_vs.',
    )
  }
}

export async function buildNetwork(): Promise<void> {
  for (const name of ['switch', ...Object.keys(hosts)]) await run('ip', ['netns', 'add', name])
  await run('ip', ['-n', 'switch', 'link', 'add', 'br0', 'up', 'type', 'bridge'])
  for (const [name, address] of Object.entries(hosts)) {
    await run('ip', [
      ...`link add ${name} netns switch type veth peer name eth0 netns ${name}`.split(' '),
    ])
    const vipOn = name === 'director' ? 'eth0' : isServer(name) ? 'lo' : undefined
    const inside = [
      // IPVS takes every server for unreachable as long as lo is down.
      'link set lo up',
      `address add ${address}/24 dev eth0`,
      ...(vipOn ? [`address add ${vip}/32 dev ${vipOn}`] : []),
    ]
    if (isServer(name)) await keepQuietAboutVip(name)
    await run('ip', ['-n', name, '-batch', '-'], `${[...inside, 'link set eth0 up'].join('\n')}\n`)
  }
  const ports = Object.keys(hosts).map((name) => `link set ${name} master br0 up\n`)
  await run('ip', ['-n', 'switch', '-batch', '-'], ports.join(''))
}

/** A server must not answer ARP for the virtual address: that is the director's to do. */
function keepQuietAboutVip(server: Server): Promise<string> {
  const settings = 'echo 1 >arp_ignore && echo 2 >arp_announce'
  const script = `cd /proc/sys/net/ipv4/conf/all && ${settings}`
  return run('ip', ['netns', 'exec', server, 'sh', '-c', script])
}

/** Pulls the server's cable out of the switch, or plugs it in again. */
export async function setLink(server: Server, state: 'up' | 'down'): Promise<void> {
  await run('ip', ['-n', 'switch', 'link', 'set', server, state])
}

/** Starts a program in a namespace; `ip netns exec` becomes the program, so the pid is its own. */
export function startIn(namespace: string, command: string[]): ChildProcess {
  const child = spawn('ip', ['netns', 'exec', namespace, ...command], {
    // A group of its own, see endGroup().
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  started.add(child)
  child.once('close', () => started.delete(child))
  child.stdin?.on('error', () => {})
  return child
}

const started = new Set<ChildProcess>()

/** Ends it with all it has started: dnsmasq has a process of its own for each TCP connection. */
export function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // Already gone.
  }
}

/** On a host's own kernel nothing else ends them. */
export function endAll(): void {
  for (const child of started) endGroup(child)
}

/** Starts dnsmasq on a server; resolves when it says that it has started. */
export async function startServer(server: Server): Promise<ChildProcess> {
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
  const tooLate = sleep(10_000, undefined, { signal: late.signal }).then(() => {
    throw new Error(`dnsmasq on ${server} has not started within 10 s. It said:\n${said}`)
  })
  // Whichever loses the race may reject later, and nobody is to hear of it.
  for (const promise of [ended, tooLate]) promise.catch(() => {})
  await Promise.race([running, ended, tooLate]).finally(() => late.abort())
  return child
}
