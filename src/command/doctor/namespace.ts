// The doctor in another network namespace. Its settings, routes and addresses are seen by nobody who is not in it, and a
// process of Node.js cannot change its own: it is started anew, by `nsenter`.
import { spawnSync } from 'node:child_process'
import { constants } from 'node:os'
import { CommandError, usageError } from '../errors.js'
import { exitStatuses } from '../spec.js'

/** Resolves to the exit status of the doctor there. */
export async function runInNamespace(netns: string): Promise<number> {
  const enter = [`--net=${fileOf(netns)}`, '--']
  const trial = spawnSync('nsenter', [...enter, 'true'], { encoding: 'utf8' })
  if (trial.error !== undefined)
    throw new CommandError(
      `looking into another network namespace needs the program nsenter, of util-linux: ${trial.error.message}.`,
      exitStatuses.failed,
      trial.error,
    )
  if (trial.status !== 0) throw refusal(netns, trial.stderr.trim())
  const words = [process.execPath, ...process.execArgv, process.argv[1]!, ...withoutNetns()]
  const { status, signal } = spawnSync('nsenter', [...enter, ...words], { stdio: 'inherit' })
  return status ?? 128 + constants.signals[signal!]
}

/** A name of "ip netns", a path, or a process. */
function fileOf(netns: string): string {
  if (/^\d+$/.test(netns)) return `/proc/${netns}/ns/net`
  return netns.includes('/') ? netns : `/var/run/netns/${netns}`
}

function refusal(netns: string, said: string): CommandError {
  if (/No such file/.test(said))
    return usageError(
      `there is no network namespace ${netns}; "ip netns list" shows the named ones.`,
    )
  const text = `the network namespace ${netns} cannot be entered: ${said}. That needs root (CAP_SYS_ADMIN).`
  return new CommandError(text, exitStatuses.refused)
}

function withoutNetns(): string[] {
  const words = process.argv.slice(2)
  const at = words.findIndex((word) => word === '--netns' || word.startsWith('--netns='))
  words.splice(at, words[at] === '--netns' ? 2 : 1)
  return words
}
