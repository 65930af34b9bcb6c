// Pictures of `ipvs top`, for docs: a table, packets, keys, and what the terminal shows then.
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
  readonly services: number
  readonly destinations: number
  /** Packets a second. */
  readonly packets: number
  readonly window: Window
  readonly words: string
  readonly keys: readonly string[]
  readonly title: string
  readonly description: string
}

const small: Window = { columns: 80, rows: 14 }
const usual: Window = { columns: 80, rows: 24 }
const wide: Window = { columns: 120, rows: 30 }
const scenes: readonly Scene[] = [
  {
    ...{ name: 'top-1', services: 1, destinations: 8, packets: 200, window: small },
    ...{ words: 'udp/192.0.0.0', keys: ['Down', 'Down'] },
    title: 'ipvs top udp/192.0.0.0',
    description:
      'The eight destinations of one service, with weights, connections and rates; two of weight 0 are yellow.',
  },
  {
    ...{ name: 'top-50', services: 50, destinations: 4, packets: 400, window: usual },
    ...{ words: '', keys: [] },
    title: 'ipvs top with 50 services',
    description: 'Twenty of fifty services, those with most packets first, each with a sparkline.',
  },
  {
    ...{ name: 'top-1000', services: 1000, destinations: 10, packets: 600, window: wide },
    ...{ words: '', keys: ['/', '0', '.', '2', 'Enter', 'Down', 'Down', 'Down'] },
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
