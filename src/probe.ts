// Finds out what works here and says what to do about what does not.
import { existsSync } from 'node:fs'
import { IpvsError, typeError } from './errors.js'
import { inUserNamespace, type NamespaceSpec, NativeKernel } from './native-kernel.js'
import { checkModuleName } from './validate/options.js'
import { checkChange, checkOptions } from './validate.js'

export interface ProbeOptions {
  /** As in `open`. */
  readonly netns?: string | { readonly pid: number } | { readonly fd: number }
  /** Schedulers to try; each is loaded if the kernel has it. Default none. */
  readonly schedulers?: readonly string[]
}

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
  /** Text of each IPVS setting of the namespace; empty if it could not be read. */
  readonly sysctls: Readonly<Record<string, string>>
  /** What to do, a sentence each. Empty if all is well. */
  readonly advice: readonly string[]
}

const DEADLINE_MS = 30_000 // loading modules takes its time

export async function probe(
  options: ProbeOptions,
  checkNetns: (netns: unknown) => NamespaceSpec,
): Promise<ProbeResult> {
  const checked = checkOptions(options, 'options', ['netns', 'schedulers'])
  const where = checkNetns(checked.netns)
  const names = checkSchedulers(checked.schedulers)
  const advice: string[] = []
  const userNamespace = inUserNamespace()
  const sysctls = await readSysctls(where, advice)
  const available = sysctls !== undefined
  return {
    available,
    module: available || existsSync('/proc/net/ip_vs'),
    permission: available,
    userNamespace,
    schedulers: available && names.length > 0 ? await trySchedulers(names, advice) : {},
    sysctls: sysctls ?? {},
    advice,
  }
}

/** `undefined` if IPVS cannot be opened. */
async function readSysctls(where: NamespaceSpec, advice: string[]) {
  let kernel: NativeKernel | undefined
  try {
    kernel = await NativeKernel.open(where, DEADLINE_MS)
    return await kernel.sysctls(DEADLINE_MS)
  } catch (error) {
    advice.push((error as Error).message)
    return undefined
  } finally {
    await kernel?.close()
  }
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
      const { failures } = await kernel.write([change], 1, options)
      works[scheduler] = failures.length === 0
      if (failures.length === 0) continue
      advice.push(
        `scheduler "${scheduler}" is not available: try "modprobe ip_vs_${scheduler}" as root on the host`,
      )
    }
  } catch (error) {
    const reason = error instanceof IpvsError ? error.message : String(error)
    advice.push(`schedulers could not be tried in a namespace of our own: ${reason}`)
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
