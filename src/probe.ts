// Finds out what works here and says what to do about what does not.
import { existsSync } from 'node:fs'
import { IpvsError, typeError } from './errors.js'
import { changeError } from './kernel/errors.js'
import { NativeKernel } from './kernel/native-kernel.js'
import { inUserNamespace } from './kernel/open-error.js'
import { type Netns, readNetns } from './netns.js'
import { readSysctls, type Sysctls } from './system/sysctls.js'
import { checkModuleName } from './validate/options.js'
import { checkChange, checkOptions } from './validate.js'

/** Options of {@link Ipvs.probe}. */
export interface ProbeOptions {
  /** As in `open`. Default: the namespace of this process. */
  readonly netns?: Netns
  /** Schedulers to try; each is loaded if the kernel has it. Default none. */
  readonly schedulers?: readonly string[]
}

/** Whether IPVS can be used here, and what to do if not. */
export interface ProbeResult {
  /** `open` will work. */
  readonly available: boolean
  /** The kernel has IPVS: `ip_vs` is built in or was loaded. */
  readonly module: boolean
  /** We have the right to use it. */
  readonly permission: boolean
  /** This process runs in a user namespace other than the initial one, where the kernel refuses IPVS. */
  readonly userNamespace: boolean
  /** Of the schedulers asked for, which work; empty if that could not be tried. */
  readonly schedulers: Readonly<Record<string, boolean>>
  /** The IPVS settings of the namespace; empty if they could not be read. */
  readonly sysctls: Sysctls
  /** What to do, a sentence each. Empty if all is well. */
  readonly advice: readonly string[]
}

const DEADLINE_MS = 30_000 // loading modules takes its time

export async function probe(options: ProbeOptions): Promise<ProbeResult> {
  const checked = checkOptions(options, 'options', ['netns', 'schedulers'])
  const where = readNetns(checked.netns, 'options.netns')
  const names = checkSchedulers(checked.schedulers)
  const advice: string[] = []
  const userNamespace = inUserNamespace()
  let kernel: NativeKernel
  try {
    kernel = await NativeKernel.open(where, DEADLINE_MS)
  } catch (error) {
    advice.push(messageOf(error))
    return {
      available: false,
      module: existsSync('/proc/net/ip_vs'),
      permission: !isRefusal(error),
      userNamespace,
      schedulers: {},
      sysctls: {},
      advice,
    }
  }
  let sysctls: Sysctls = {}
  try {
    sysctls = readSysctls(await kernel.sysctls(DEADLINE_MS))
  } catch (error) {
    advice.push(messageOf(error))
  }
  await kernel.close()
  const schedulers = names.length > 0 ? await trySchedulers(names, advice) : {}
  return {
    available: true,
    module: true,
    permission: true,
    userNamespace,
    schedulers,
    sysctls,
    advice,
  }
}

function isRefusal(error: unknown): boolean {
  if (!(error instanceof IpvsError)) return false
  if (error.code === 'ERR_IPVS_PERMISSION') return true
  return error.reason === 'user-namespace' || error.reason === 'addons-disabled'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A scheduler works if a service with it can be made. That is tried where it harms nobody: a namespace of our own. */
async function trySchedulers(names: readonly string[], advice: string[]) {
  const works: Record<string, boolean> = {}
  let kernel: NativeKernel | undefined
  try {
    kernel = await NativeKernel.open({ kind: 'scratch' }, DEADLINE_MS)
    const options = { bulk: false, deadlineMs: DEADLINE_MS, signal: undefined }
    for (const [index, scheduler] of names.entries()) {
      const service = { fwmark: index + 1, scheduler }
      const change = checkChange({ op: 'add-service', service }, 'change')
      const { failures, cut } = await kernel.write([change], 1, options)
      const failure = failures[0]
      works[scheduler] = failure === undefined
      if (failure === undefined) continue
      const { code, command } = failure
      const why = `no answer came (${cut})`
      advice.push(changeError({ op: 'add-service', service }, code, command, why).message)
    }
  } catch (error) {
    advice.push(`schedulers could not be tried in a namespace of our own: ${messageOf(error)}`)
  } finally {
    await kernel?.close()
  }
  return works
}

function checkSchedulers(value: unknown): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value))
    throw typeError('options.schedulers', 'an array of scheduler names', value)
  return value.map((name, index) => checkModuleName(name, `options.schedulers[${index}]`, 'wrr'))
}
