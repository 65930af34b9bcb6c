// What `ipvs top` takes of a core on a terminal, while packets pass: when nobody types, and while somebody scrolls.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Tmux } from '../../lab/terminal/tmux.js'
import { startTraffic } from './table.js'

export interface TopCost {
  /** Of a core, while nobody types. */
  readonly share: number
  /** For each key that moves a row on, in milliseconds of a core. */
  readonly keyMs: number
  readonly peakKb: number
}

const KEYS = 300
const PACKETS = 200

export async function topCost(bin: string, services: number, seconds: number): Promise<TopCost> {
  const folder = mkdtempSync(path.join(tmpdir(), 'top-'))
  const traffic = startTraffic(services, PACKETS)
  try {
    using tmux = new Tmux(folder, { ipvs: [process.execPath, bin] })
    await tmux.shows(/^\$/m)
    tmux.line('exec ipvs top')
    // Rates, and so the second look.
    await tmux.shows(/\n\d[^\n]* conn\/s/)
    const pid = Number(tmux.run('display-message', '-p', '#{pane_pid}'))
    const [beganMs, before] = [performance.now(), cpuMs(pid)]
    await sleep(seconds * 1000)
    const share = (cpuMs(pid) - before) / (performance.now() - beganMs)
    tmux.keys('<', '<')
    await tmux.shows(/SERVICE▼/)
    const typing = cpuMs(pid)
    tmux.run('send-keys', '-N', String(KEYS), 'Down')
    await tmux.shows(new RegExp(`-${Math.min(KEYS + 1, services)} of `))
    const keyMs = (cpuMs(pid) - typing) / KEYS
    const [, peakKb] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
    return { share, keyMs, peakKb: Number(peakKb) }
  } finally {
    traffic.kill()
    rmSync(folder, { recursive: true })
  }
}

/** Of all its threads, in the kernel too. */
function cpuMs(pid: number): number {
  const [, rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const [user, system] = rest!.split(' ').slice(11, 13)
  return 10 * (Number(user) + Number(system))
}
