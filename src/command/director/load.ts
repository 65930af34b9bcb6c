// The director's file, as `ipvs run` takes it.
import type { Config } from '../../director/index.js'
import { readText } from '../table/file.js'

/** @throws CommandError it cannot be read; ConfigError what is wrong with it */
export async function loadConfig(file: string, netns: unknown, before?: Config): Promise<Config> {
  const { readConfig } = await import('../../director/index.js')
  const text = await readText(file)
  return readConfig(text, { file, before, ...(typeof netns === 'string' && { netns }) })
}
