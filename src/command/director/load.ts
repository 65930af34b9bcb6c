// The director's file, as `ipvs run` takes it.
import type { Config } from '../../director/index.js'
import { readText } from '../table/file.js'

/** @throws CommandError it cannot be read; ConfigError what is wrong with it */
export async function loadConfig(file: string, netns: unknown, before?: Config): Promise<Config> {
  const { readConfig } = await import('../../director/index.js')
  const config = await readConfig(await readText(file), file, before)
  return typeof netns === 'string' ? { ...config, netns } : config
}
