// Four network namespaces of the guest:
//
//     clients 10.3.0.2 ── director ── servers 10.2.0.1 ... 10.2.0.12      noise
//                         VIPs on lo, IPVS                                 (an IPVS table of its own)
//
// Behind the virtual address of the queried pool, the real servers are one namespace's addresses; their answers would
// go back through the director, as masquerading wants it. The other pool's servers are never sent anything.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { CANDIDATES, POOLS, QUERIED } from './pools.js'

export const DIRECTOR = 'director'

export function buildNetwork(): void {
  for (const name of [DIRECTOR, 'servers', 'clients', 'noise']) {
    ip('netns', 'add', name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  for (const name of ['servers', 'clients']) {
    ip(...`link add ${name} netns ${DIRECTOR} type veth peer name eth0 netns ${name}`.split(' '))
    ip('-n', name, 'link', 'set', 'eth0', 'up')
    ip('-n', DIRECTOR, 'link', 'set', name, 'up')
  }
  const servers = Array.from({ length: CANDIDATES }, (_, n) => `${QUERIED.prefix}${n + 1}/24`)
  for (const address of servers) ip('-n', 'servers', 'address', 'add', address, 'dev', 'eth0')
  const gateway = `${QUERIED.prefix}254`
  ip('-n', DIRECTOR, 'address', 'add', `${gateway}/24`, 'dev', 'servers')
  ip('-n', 'servers', 'route', 'add', 'default', 'via', gateway)
  ip('-n', DIRECTOR, 'address', 'add', '10.3.0.1/24', 'dev', 'clients')
  ip('-n', 'clients', 'address', 'add', '10.3.0.2/24', 'dev', 'eth0')
  ip('-n', 'clients', 'route', 'add', 'default', 'via', '10.3.0.1')
  for (const { address } of POOLS) {
    ip('-n', DIRECTOR, 'address', 'add', `${address}/32`, 'dev', 'lo')
  }
  run('ip', 'netns', 'exec', DIRECTOR, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward')
}

const ip = (...words: string[]): void => run('ip', ...words)

function run(...words: string[]): void {
  const { status, stderr, error } = spawnSync(words[0]!, words.slice(1), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${words.join(' ')}: ${error?.message ?? stderr.trim()}`)
}

/** Starts a program in a namespace; `nsenter` becomes the program, so that the pid is its own. */
export function startIn(namespace: string, words: readonly string[], stderr: number): ChildProcess {
  const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, ...words], {
    stdio: ['pipe', 'pipe', stderr],
  })
  child.stdin!.on('error', () => {})
  return child
}
