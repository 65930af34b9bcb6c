// What --fix may do: settings of the kernel, each after a yes.
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { type Finding, type SysctlChange, sysctlCommand } from './finding.js'

/** Every setting that a finding wants, once. */
export function wanted(findings: readonly Finding[]): SysctlChange[] {
  const all = findings.flatMap(({ fix = [] }) => fix)
  return [...new Map(all.map((change) => [change.name, change])).values()]
}

/** Says yes or no to a command that is about to be run. */
export type Ask = (command: string) => Promise<boolean>

export const always: Ask = async () => true

/** Asks on the terminal. What is no clear yes is a no. */
export const onTerminal: Ask = async (command) => {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  // ^D is a no.
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
  try {
    const answer = await Promise.race([lines.question(`${command}   Do it? [y/N] `), closed])
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}

export interface Fixed {
  readonly done: readonly SysctlChange[]
  readonly failed: readonly { readonly change: SysctlChange; readonly error: Error }[]
}

export async function fix(changes: readonly SysctlChange[], ask: Ask): Promise<Fixed> {
  const done: SysctlChange[] = []
  const failed: { change: SysctlChange; error: Error }[] = []
  for (const change of changes) {
    if (!(await ask(sysctlCommand(change)))) continue
    try {
      writeFileSync(fileOf(change), `${change.value}\n`)
      done.push(change)
    } catch (error) {
      failed.push({ change, error: error as Error })
    }
  }
  return { done, failed }
}

/** `net.ipv4.conf.eth0/5.rp_filter` is a file of the device eth0.5. */
export function fileOf({ name }: SysctlChange): string {
  const parts = name.split('.').map((part) => part.replaceAll('/', '.'))
  return `/proc/sys/${parts.join('/')}`
}
