// Files that a caller names, stdin among them.
import { readFileSync } from 'node:fs'
import { reasonOf, usageError } from '../errors.js'

/** `-` is stdin. @throws CommandError */
export async function readText(file: string): Promise<string> {
  try {
    const text = file === '-' ? await readStdin() : readFileSync(file, 'utf8')
    return text.replace(/^\uFEFF/, '')
  } catch (error) {
    const name = nameOf(file)
    throw usageError(
      `${name} could not be read: ${reasonOf(error)}. Nothing was changed. Check the name, or give "-" for stdin.`,
      error,
    )
  }
}

/** For messages. */
export function nameOf(file: string): string {
  return file === '-' ? 'stdin' : file
}

async function readStdin(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk
  return text
}
