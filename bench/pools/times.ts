import { spawnSync } from 'node:child_process'
import { checkout } from '../../lab/checkout.js'

/** What a program of this folder has measured, in microseconds. */
export function timesOf(program: string, words: readonly string[]): number[] {
  const command = [`${checkout}/bench/pools/${program}`, ...words]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ended with status ${status}:\n${stderr}`)
  return (JSON.parse(stdout) as { times: number[] }).times
}
