// The director's file, as `ipvs run` takes it: its own form, or a keepalived.conf.
import { accessSync, constants, mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Config } from '../../director/index.js'
import type { ImportNote } from '../../import/index.js'
import { readText } from '../table/file.js'
import { controlPath } from './control.js'

export interface Loaded {
  readonly config: Config
  /** What of a keepalived.conf could not be carried over. */
  readonly notes: readonly ImportNote[]
}

/** Where a director of a keepalived.conf keeps what is done by hand, if it may. */
const STATE = '/var/lib/ipvs/director.json'

/** @throws CommandError it cannot be read; ConfigError what is wrong with it */
export async function loadConfig(file: string, netns: unknown, before?: Config): Promise<Loaded> {
  const { readConfig } = await import('../../director/index.js')
  const text = await readText(file)
  const options = { file, before, ...(typeof netns === 'string' && { netns }) }
  const { isKeepalived, readKeepalived } = await import('../keepalived.js')
  if (!isKeepalived(text)) return { config: await readConfig(text, options), notes: [] }
  const { text: yaml, notes } = readKeepalived(text, file, undefined)
  return { config: await readConfig(yaml + places(), options), notes }
}

/** A keepalived.conf has no word for them. */
function places(): string {
  const lines = Object.entries({ control: controlPath({ options: {} }), state: STATE })
  return lines.flatMap(([key, at]) => (canWrite(at) ? [`${key}: ${at}\n`] : [])).join('')
}

function canWrite(file: string): boolean {
  const folder = path.dirname(file)
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}
