// What takes long says so on stderr: a line each, with its time.
import { tell } from '../output.js'

export async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const started = Date.now()
  tell(`${title} ...`)
  const result = await work()
  tell(`  done, ${((Date.now() - started) / 1000).toFixed(1)} s`)
  return result
}
