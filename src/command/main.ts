#!/usr/bin/env node
// The command `ipvs`. The library knows nothing of it.
import { readFileSync } from 'node:fs'

interface Command {
  /** What it does, in a line. */
  readonly line: string
  /** @returns the exit status */
  run(words: readonly string[]): Promise<number>
}

const commands: Readonly<Record<string, Command>> = {
  'build-addon': {
    line: 'compiles the native part for this machine, where no prebuilt one fits',
    run: async (words) => (await import('./build-addon.js')).buildAddon(words),
  },
}

/** A word of the caller's that means nothing. */
const USAGE = 2

function help(): string {
  const lines = Object.entries(commands).map(([name, { line }]) => `  ${name.padEnd(14)}${line}\n`)
  return `ipvs COMMAND\n\n${lines.join('')}\n  --version     the version of this package\n`
}

async function main([word, ...rest]: readonly string[]): Promise<number> {
  if (word === undefined || word === '--help' || word === '-h' || word === 'help') {
    process.stdout.write(help())
    return word === undefined ? USAGE : 0
  }
  if (word === '--version') {
    const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
    process.stdout.write(`${(JSON.parse(manifest) as { version: string }).version}\n`)
    return 0
  }
  const command = Object.hasOwn(commands, word) ? commands[word] : undefined
  if (command !== undefined) return command.run(rest)
  process.stderr.write(`ipvs: there is no command "${word}".\n\n${help()}`)
  return USAGE
}

process.exitCode = await main(process.argv.slice(2))
