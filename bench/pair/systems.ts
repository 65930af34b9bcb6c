// What is compared: keepalived doing everything on both directors, and keepalived for VRRP beside `ipvs run`, as examples/pair has it.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { checkout } from '../../lab/checkout.js'
import type { Director } from '../../lab/network/three-servers.js'

export const systemNames = ['keepalived', 'ipvs run'] as const
export type SystemName = (typeof systemNames)[number]
export const ours: SystemName = 'ipvs run'

export interface System {
  readonly name: SystemName
  /** Writes the files of a director, and says what runs on it. */
  prepare(director: Director, network: { readonly serversToo: boolean }): Programs
}

export interface Programs {
  /** Run to its end before each start, as an init script would. */
  readonly before?: readonly string[]
  readonly vrrp: readonly string[]
  /** What looks after the servers, where that is not keepalived as well. */
  readonly controller?: readonly string[]
  /** Where it is: the file with the id of its process that looks after the servers. It starts that one again by itself. */
  readonly checkers?: string
}

const examples = path.join(checkout, 'examples/pair')
const systemsFolder = path.join(checkout, 'bench/failover/systems')

/** The two share a file system: each has its own /run and /var/lib below this. */
const folderOf = (director: Director) => `/run/${director}`

/** The text with the director's folders in place of the machine's. */
export const placed = (text: string, director: Director) =>
  text
    .replaceAll('/run/', `${folderOf(director)}/`)
    .replaceAll('/var/lib/', `${folderOf(director)}/lib/`)

function makeFolders(director: Director): string {
  const folder = folderOf(director)
  // Of the trial before.
  rmSync(folder, { recursive: true, force: true })
  for (const name of ['keepalived', 'ipvs', 'lib/ipvs']) {
    mkdirSync(path.join(folder, name), { recursive: true })
  }
  return folder
}

const keepalived = (folder: string) => [
  ...['keepalived', '--dont-fork', '--log-console', '--log-detail', '--no-syslog'],
  ...[`--use-file=${folder}/keepalived.conf`, `--pid=${folder}/keepalived.pid`],
  ...[`--vrrp_pid=${folder}/vrrp.pid`, `--checkers_pid=${folder}/checkers.pid`],
]

export const systems: readonly System[] = [
  {
    name: 'keepalived',
    prepare: (director) => {
      const folder = makeFolders(director)
      const text = readFileSync(path.join(checkout, 'bench/pair/keepalived.conf'), 'utf8')
      const config = text.replace('DIRECTOR', folder).replace('SYSTEMS', systemsFolder)
      writeFileSync(`${folder}/keepalived.conf`, config)
      const vrrp = readFileSync(path.join(examples, 'keepalived.conf'), 'utf8')
      writeFileSync(`${folder}/vrrp.conf`, placed(vrrp, director))
      return {
        before: ['sh', path.join(systemsFolder, 'notify-udp.sh')],
        vrrp: keepalived(folder),
        checkers: `${folder}/checkers.pid`,
      }
    },
  },
  {
    name: 'ipvs run',
    prepare: (director, { serversToo }) => {
      const folder = makeFolders(director)
      for (const name of ['keepalived.conf', 'director.yaml']) {
        const text = readFileSync(path.join(examples, name), 'utf8')
        const whole = serversToo ? text.replace(/^role:$/m, 'role:\n  backupOnly: true') : text
        writeFileSync(`${folder}/${name}`, placed(whole, director))
      }
      const bin = path.join(checkout, 'dist/bin/ipvs.cjs')
      return {
        vrrp: keepalived(folder),
        controller: [process.execPath, bin, 'run', `${folder}/director.yaml`],
      }
    },
  },
]
