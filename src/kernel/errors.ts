// What an errno means, by the command that gave it, and what to do about it. The kernel sends no text for these.
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { type IpvsCommand, IpvsError, type IpvsErrorCode, rangeError } from '../errors.js'
import { destinationKey, serviceKey } from '../identity.js'
import type { Change } from '../types.js'
import { OUTCOME } from './addon.js'

const { errno } = constants

// linux/ip_vs.h: enum ip_vs_genl_cmd (IPVS_CMD_*), those that changes send.
const COMMANDS: ReadonlyMap<number, IpvsCommand> = new Map([
  [1, 'NEW_SERVICE'],
  [2, 'SET_SERVICE'],
  [3, 'DEL_SERVICE'],
  [5, 'NEW_DEST'],
  [6, 'SET_DEST'],
  [7, 'DEL_DEST'],
])

/** Schedulers of the kernel's own tree: for these, ENOENT on a service with an engine is the engine's. */
export const KERNEL_SCHEDULERS: readonly string[] =
  'rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos'.split(' ')

interface Meaning {
  readonly code: IpvsErrorCode
  readonly text: string
}

/** The error of a change that was not applied: `code` is an errno or an outcome of native/record.h. */
export function changeError(change: Change, code: number, command: number, why: string): IpvsError {
  const name = COMMANDS.get(command)
  const target = describe(change)
  switch (code) {
    case OUTCOME.notSent:
      return new IpvsError('ERR_IPVS_NOT_SENT', `${target} was not sent: ${why}`, { change })
    case OUTCOME.unknown:
      return new IpvsError(
        'ERR_IPVS_UNKNOWN_OUTCOME',
        `${target} was sent, but ${why}; read the object back before relying on it`,
        { change, command: name },
      )
    case OUTCOME.superseded:
      return new IpvsError(
        'ERR_IPVS_SUPERSEDED',
        `${target} was dropped: a later call has written the same object`,
        { change },
      )
    case OUTCOME.noFamily:
      return noModule({ change, command: name })
  }
  const meaning = meaningOf(change, code)
  const text = `${target}: ${meaning.text} (${because(name, code)})`
  return new IpvsError(meaning.code, text, { change, command: name, errno: -code })
}

/** The error of a read. */
export function readError(code: number, command: IpvsCommand, target: string): IpvsError {
  if (code === OUTCOME.noFamily) return noModule({ command })
  const fail = failure(target, command, code)
  switch (code) {
    case errno.ESRCH:
      return fail('ERR_IPVS_NO_SERVICE', NO_SERVICE)
    case errno.EPERM:
      return fail('ERR_IPVS_PERMISSION', PERMISSION)
    case errno.ENOMEM:
    case errno.ENOBUFS:
      return fail('ERR_IPVS_MEMORY', MEMORY)
    default:
      return fail('ERR_IPVS_KERNEL', isOutOfFiles(code) ? OUT_OF_FILES : REFUSED)
  }
}

function failure(target: string, command: IpvsCommand | undefined, code: number) {
  return (name: IpvsErrorCode, text: string): IpvsError =>
    new IpvsError(name, `${target}: ${text} (${because(command, code)})`, { command, errno: -code })
}

/** `NEW_DEST: EEXIST`. */
function because(command: IpvsCommand | undefined, code: number): string {
  const name = getSystemErrorName(-code)
  return command === undefined ? name : `${command}: ${name}`
}

/** The error of a command on the namespace as a whole, by errno or outcome. */
export function commandError(code: number, command: IpvsCommand, target: string): IpvsError {
  const fail = failure(target, command, code)
  switch (code) {
    case OUTCOME.notSent: {
      const text = `${target} was not sent: its deadline passed; try again, or allow more with deadlineMs`
      return new IpvsError('ERR_IPVS_NOT_SENT', text, { command })
    }
    case OUTCOME.unknown: {
      const text = `${target} was sent, but there was no answer; read it back before relying on it`
      return new IpvsError('ERR_IPVS_UNKNOWN_OUTCOME', text, { command })
    }
    case errno.EEXIST:
      return fail('ERR_IPVS_DAEMON_RUNNING', 'it runs already; stop it to change it')
    case errno.ENETUNREACH:
    case errno.EADDRNOTAVAIL: {
      const text =
        "the interface cannot send to the group: is it up, with an address of the group's family?"
      return fail('ERR_IPVS_KERNEL', text)
    }
    case errno.ENODEV:
      return fail('ERR_IPVS_NO_DEVICE', 'there is no such interface here; "ip link" shows them')
    case errno.EINVAL:
      return fail('ERR_IPVS_INVALID', command === 'NEW_DAEMON' ? INVALID_DAEMON : INVALID_COMMAND)
    case errno.ESRCH:
      if (command !== 'DEL_DAEMON') break
      return fail('ERR_IPVS_DAEMON_STOPPED', 'it does not run; syncDaemons() shows which do')
  }
  return readError(code, command, target)
}

/** The error of writing a setting: `code` is what opening or writing its file gave. */
export function sysctlError(code: number, target: string): IpvsError {
  const fail = failure(target, undefined, code)
  switch (code) {
    case errno.ENOENT: {
      const text = 'this kernel or namespace has no such setting; sysctls() shows those it has'
      return fail('ERR_IPVS_KERNEL', text)
    }
    case errno.EACCES:
    case errno.EPERM:
    case errno.EROFS: {
      const text =
        'it may not be written from here; write it as root on the host, in this network namespace'
      return fail('ERR_IPVS_READ_ONLY', text)
    }
    case errno.EINVAL: {
      const text =
        'the kernel finds the value invalid; net/ipvs-sysctl.rst of the kernel says what it takes'
      return fail('ERR_IPVS_INVALID', text)
    }
    default:
      return fail('ERR_IPVS_KERNEL', isOutOfFiles(code) ? OUT_OF_FILES : REFUSED)
  }
}

export function closedError(): IpvsError {
  return new IpvsError('ERR_IPVS_CLOSED', 'this client has been closed; open another one')
}

export function busyError(): IpvsError {
  return new IpvsError(
    'ERR_IPVS_BUSY',
    'applySync cannot run while asynchronous calls are queued: await them first, or use apply()',
  )
}

/** More than one batch for applySync. */
export function batchError(count: number): RangeError {
  const rule =
    'at most one netlink batch for applySync (about 1,000 changes where the socket buffers can be raised, ' +
    'ensure-… counting twice); apply() sends as many batches as it takes'
  return rangeError('changes', rule, `${count} changes`)
}

export function noModule(options: {
  change?: Change
  command?: IpvsCommand | undefined
}): IpvsError {
  return new IpvsError(
    'ERR_IPVS_UNAVAILABLE',
    'this kernel has no IPVS: the module ip_vs is not built, not installed or not allowed to load. ' +
      'Run "modprobe ip_vs" as root on the host and look at its message',
    { ...options, reason: 'no-module' },
  )
}

/** For "permission denied": what the kernel asks for (ip_vs_ctl.c: GENL_ADMIN_PERM; af_netlink.c: netlink_capable). */
export const PERMISSION =
  'the kernel wants CAP_NET_ADMIN in the initial user namespace, for reading too. Run as root, or give the ' +
  'process or container NET_ADMIN'

const MEMORY = 'the kernel ran out of memory or buffer space; try again'
/** No socket or file can be opened. */
export function isOutOfFiles(code: number): boolean {
  return code === errno.EMFILE || code === errno.ENFILE
}

export const OUT_OF_FILES =
  'this process, or the machine, has no file descriptor left; close some, or raise the limit ("ulimit -n")'
const REFUSED = 'the kernel refused it for a reason of its own; its log ("dmesg") may say more'
const NO_SERVICE =
  'there is no such service; add it first, or look with services() for what there is'

function meaningOf(change: Change, code: number): Meaning {
  const onService = !('destination' in change)
  switch (code) {
    case errno.EEXIST:
      return onService
        ? {
            code: 'ERR_IPVS_EXISTS',
            text: 'there is such a service already; replace-service or ensure-service changes it',
          }
        : {
            code: 'ERR_IPVS_EXISTS',
            text: 'the service has such a destination already; replace-destination or ensure-destination changes it',
          }
    case errno.ESRCH:
      return { code: 'ERR_IPVS_NO_SERVICE', text: NO_SERVICE }
    case errno.ENOENT:
      return onService
        ? missingModule(change)
        : {
            code: 'ERR_IPVS_NO_DESTINATION',
            text: 'the service has no such destination; add it first, or look with destinations() for what there is',
          }
    case errno.EPERM:
      return { code: 'ERR_IPVS_PERMISSION', text: PERMISSION }
    case errno.EINVAL:
      return { code: 'ERR_IPVS_INVALID', text: onService ? INVALID_SERVICE : INVALID_DESTINATION }
    case errno.ERANGE:
      return {
        code: 'ERR_IPVS_RANGE',
        text: 'a weight or threshold is out of range, 0 to 2147483647 and the lower one not above the upper',
      }
    case errno.EAFNOSUPPORT:
      return {
        code: 'ERR_IPVS_FAMILY',
        text: 'this kernel does not do IPVS for that address family; is IPv6 switched off?',
      }
    case errno.ENOMEM:
    case errno.ENOBUFS:
      return { code: 'ERR_IPVS_MEMORY', text: MEMORY }
    default:
      return { code: 'ERR_IPVS_KERNEL', text: isOutOfFiles(code) ? OUT_OF_FILES : REFUSED }
  }
}

const INVALID_SERVICE = 'the kernel finds the service invalid; its log ("dmesg") may say why'
// ip_vs_ctl.c: ip_vs_genl_new_daemon, ip_vs_sync.c: start_sync_thread
const INVALID_DAEMON =
  'the kernel finds the daemon invalid: no sync daemon runs beside a tunnel across address families'
const INVALID_COMMAND = 'the kernel finds the value invalid; its log ("dmesg") may say why'
// ip_vs_ctl.c: __ip_vs_update_dest, ip_vs_new_dest.
const INVALID_DESTINATION =
  'the kernel finds the destination invalid: its address must be unicast or local as this network namespace ' +
  'routes it (is lo up? with lo never up every address is refused), and a tunnel across address families needs ' +
  'every sync daemon stopped'

function missingModule(change: Change): Meaning {
  const service = change.service as { scheduler?: string; persistenceEngine?: string }
  const { scheduler, persistenceEngine } = service
  if (persistenceEngine !== undefined && KERNEL_SCHEDULERS.includes(scheduler ?? '')) {
    return {
      code: 'ERR_IPVS_NO_ENGINE',
      text: `persistence engine "${persistenceEngine}" is not available; try "modprobe ip_vs_pe_${persistenceEngine}"`,
    }
  }
  return {
    code: 'ERR_IPVS_NO_SCHEDULER',
    text: `scheduler "${scheduler}" is not available; try "modprobe ip_vs_${scheduler}"`,
  }
}

function describe(change: Change): string {
  const service = serviceKey(change.service)
  return 'destination' in change
    ? `${change.op} ${destinationKey(change.destination)} of ${service}`
    : `${change.op} ${service}`
}
