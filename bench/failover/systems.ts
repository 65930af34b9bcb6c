// What is compared: five ways to keep the same three servers behind one address, on TCP and on UDP. All are programs that
// run in the director's namespace, as their files in `bench/failover/systems/` say; docs/keepalived.md explains them line by line.
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkout } from '../../lab/checkout.js'

export const systemNames = [
  'keepalived, notify script',
  'keepalived, native udp',
  'ipvs',
  'ipvs, fast checks',
  'ipvs run, keepalived.conf',
] as const
export type SystemName = (typeof systemNames)[number]

/** Those that have promised something. */
export const isOurs = (system: SystemName): boolean => system.startsWith('ipvs')

/** What a check that only connects, as that file has it, does not find. */
const unseenByConnecting: readonly string[] = ['hung', 'slow', 'udp-dead']

/** Of ours, those that ask what shows this failure. */
export const promisesToFind = (system: SystemName, failure: string): boolean =>
  isOurs(system) &&
  !(system === 'ipvs run, keepalived.conf' && unseenByConnecting.includes(failure))

/** "A dead server in a blink" of docs/health.md, as many times slower. */
export const fastChecks = (slowness: number) => ({
  intervalMs: 50 * slowness,
  retryDelayMs: 10 * slowness,
  timeoutMs: { min: 20 * slowness, max: 500 * slowness },
  fall: 2,
})

/** The guest has one CPU, and everything costs several times what it costs on hardware. */
export const guestSlowness = 4

export interface System {
  readonly name: SystemName
  /** Run to its end before each start, as an init script would. */
  readonly before?: readonly string[]
  readonly command: readonly string[]
}

const source = (file: string) => path.join(checkout, 'bench/failover/systems', file)

const keepalived = (config: string) => [
  ...['keepalived', '--dont-fork', '--check', '--log-console', '--log-detail', '--no-syslog'],
  ...[
    `--use-file=${source(config)}`,
    `--pid=/tmp/keepalived.pid`,
    '--checkers_pid=/tmp/checkers.pid',
  ],
]

/** Our program, with other options of its checker. */
export function ours(...options: readonly string[]): readonly string[] {
  const file = fileURLToPath(new URL('./systems/dns.js', import.meta.url))
  return [process.execPath, file, ...options]
}

export const systems: readonly System[] = [
  {
    name: 'keepalived, notify script',
    before: ['sh', source('notify-udp.sh')],
    command: keepalived('notify.conf'),
  },
  { name: 'keepalived, native udp', command: keepalived('native.conf') },
  { name: 'ipvs', command: ours() },
  { name: 'ipvs, fast checks', command: ours(JSON.stringify(fastChecks(guestSlowness))) },
  // The file of the first one, as it is.
  {
    name: 'ipvs run, keepalived.conf',
    command: [
      process.execPath,
      path.join(checkout, 'dist/bin/ipvs.cjs'),
      'run',
      source('notify.conf'),
    ],
  },
]
