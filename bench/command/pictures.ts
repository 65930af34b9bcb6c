// Pictures of the command, for docs: what is there before, what is typed, and what the terminal shows then.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { built } from '../../lab/checkout.js'
import { exitStatus, runOnIpvs } from '../../lab/command.js'
import { terminalPicture } from '../../lab/terminal/picture.js'
import type { Window } from '../../lab/terminal/tmux.js'

export interface Scene {
  /** Of the file. */
  readonly name: string
  readonly window: Window
  readonly title: string
  readonly description: string
  /** What is there before: a table with packets for it, or what lines of the shell make. */
  readonly before: Traffic | readonly string[]
  /** What is typed. */
  readonly line: string
  /** A pattern of the screen: it has begun, for keys; without them it is done. */
  readonly shows: string
  readonly keys?: readonly string[]
  /** How long it goes on then. */
  readonly goesOnMs?: number
}

export interface Traffic {
  readonly services: number
  readonly destinations: number
  /** Packets a second. */
  readonly packets: number
}

/** Enough looks for a sparkline. */
const top = { shows: '\\n\\d[^\\n]* conn/s', goesOnMs: 45_000 } as const

const vip = '192.0.2.1'
/** A machine on which nothing else is wrong than the ten things of docs/doctor.md. */
const tenThings = [
  `ip link set lo up; ip addr replace ${vip}/32 dev lo`,
  'ip link add eth2 type dummy; ip addr add 10.8.2.254/24 dev eth2; ip link set eth2 up',
  'ipvsadm -C; ipvsadm --set 900 120 300',
  'ipvsadm -A -u 192.0.2.53:53 -s wrr',
  'ipvsadm -a -u 192.0.2.53:53 -r 10.8.2.1 -m; ipvsadm -a -u 192.0.2.53:53 -r 203.0.113.9 -m',
  `ipvsadm -A -t ${vip}:5300 -s rr -p 300; ipvsadm -a -t ${vip}:5300 -r 10.8.2.1 -m -w 0`,
  `ipvsadm -A -u ${vip}:5060 -s wlc -o`,
  `ipvsadm -a -u ${vip}:5060 -r 10.8.2.1 -m; ipvsadm -a -u ${vip}:5060 -r 10.8.2.2 -m`,
  `ipvsadm -A -t ${vip}:443 -s sh`,
  `ipvsadm -a -t ${vip}:443 -r 10.8.2.1 -g; ipvsadm -a -t ${vip}:443 -r 10.8.2.2 -g -w 0`,
  'sysctl -qw net.ipv4.ip_forward=0 net.ipv4.vs.conntrack=0',
  'sysctl -qw net.ipv4.vs.expire_nodest_conn=0 net.ipv4.vs.expire_quiescent_template=0',
]

const wanted = `services:
  - &dns
    { protocol: udp, address: 192.0.2.53, port: 53, scheduler: wrr, onePacket: true, destinations: [
      { address: 10.1.0.1, port: 53, forwarding: direct },
      { address: 10.1.0.2, port: 53, forwarding: direct },
      { address: 10.1.0.3, port: 53, forwarding: direct }] }
  - { <<: *dns, protocol: tcp, onePacket: false }
`
const difference = [
  'ip link set lo up; ipvsadm -C',
  'ipvsadm -A -u 192.0.2.53:53 -s wrr -o; ipvsadm -A -t 192.0.2.53:53 -s rr',
  'ipvsadm -a -u 192.0.2.53:53 -r 10.1.0.1 -g; ipvsadm -a -u 192.0.2.53:53 -r 10.1.0.2 -g -w 3',
  'ipvsadm -a -t 192.0.2.53:53 -r 10.1.0.1 -g; ipvsadm -a -t 192.0.2.53:53 -r 10.1.0.9 -g',
  `cat > dns.yaml <<'END'\n${wanted}END`,
]

const small: Window = { columns: 80, rows: 14 }
const usual: Window = { columns: 80, rows: 24 }
const wide: Window = { columns: 120, rows: 30 }
const scenes: readonly Scene[] = [
  {
    ...{ name: 'diff', window: { columns: 80, rows: 12 }, before: difference },
    ...{ line: 'ipvs diff dns.yaml', shows: '\\ndigest ' },
    title: 'ipvs diff dns.yaml',
    description:
      'What is missing in green, what has to go in red, what differs in yellow, and the digest of the table.',
  },
  {
    ...{ name: 'doctor', window: { columns: 80, rows: 72 }, before: tenThings },
    ...{ line: 'ipvs doctor', shows: '\\n\\d+ errors' },
    title: 'ipvs doctor, on a machine with ten things wrong',
    description:
      'Seven errors and three warnings, each with its reason and the command that mends it.',
  },
  {
    ...{ name: 'top-1', window: small, before: { services: 1, destinations: 8, packets: 200 } },
    ...{ line: 'ipvs top udp/192.0.0.0', ...top, keys: ['Down', 'Down'] },
    title: 'ipvs top udp/192.0.0.0',
    description:
      'The eight destinations of one service, with weights, connections and rates; two of weight 0 are yellow.',
  },
  {
    ...{ name: 'top-50', window: usual, before: { services: 50, destinations: 4, packets: 400 } },
    ...{ line: 'ipvs top', ...top },
    title: 'ipvs top with 50 services',
    description: 'Twenty of fifty services, those with most packets first, each with a sparkline.',
  },
  {
    ...{
      name: 'top-1000',
      window: wide,
      before: { services: 1000, destinations: 10, packets: 600 },
    },
    ...{ line: 'ipvs top', ...top, keys: ['/', '0', '.', '2', 'Enter', 'Down', 'Down', 'Down'] },
    title: 'ipvs top with 1,000 services',
    description:
      'Those of a thousand services that have 0.2 in their name, in a window of 120 columns with schedulers and longer sparklines.',
  },
]

export interface PicturePlan {
  readonly file: string
  readonly scenes: readonly Scene[]
}

export async function takePictures(folder: string): Promise<number> {
  const file = built(`pictures-${process.pid}.json`)
  const plan: PicturePlan = { file, scenes }
  const guest = fileURLToPath(new URL('./pictures-guest.js', import.meta.url))
  const status = await runOnIpvs({ file: guest, plan, seconds: 60 * scenes.length })
  if (status !== 0) throw new Error(`The guest ended with status ${status}.`)
  const taken: Record<string, string> = JSON.parse(readFileSync(file, 'utf8'))
  rmSync(file)
  mkdirSync(folder, { recursive: true })
  for (const { name, ...scene } of scenes) {
    const at = path.join(folder, `${name}.svg`)
    writeFileSync(at, terminalPicture({ ...scene, styled: taken[name]! }))
    process.stdout.write(`${at}\n`)
  }
  return exitStatus.held
}
