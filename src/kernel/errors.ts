// What an errno means, by the command that gave it, and what to do about it. The kernel sends no text for these.
import { constants } from 'node:os'
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
  return new IpvsError(meaning.code, `${target}: ${meaning.text} (${name}: errno ${code})`, {
    change,
    command: name,
    errno: -code,
  })
}

/** The error of a read. */
export function readError(code: number, command: IpvsCommand, target: string): IpvsError {
  if (code === OUTCOME.noFamily) return noModule({ command })
  const options = { command, errno: -code }
  switch (code) {
    case errno.ESRCH:
      return new IpvsError('ERR_IPVS_NO_SERVICE', `${target}: there is no such service`, options)
    case errno.EPERM:
      return new IpvsError('ERR_IPVS_PERMISSION', `${target}: ${PERMISSION}`, options)
    case errno.ENOMEM:
    case errno.ENOBUFS:
      return new IpvsError('ERR_IPVS_MEMORY', `${target}: ${MEMORY}`, options)
    default:
      return new IpvsError(
        'ERR_IPVS_KERNEL',
        `${target}: the kernel answered errno ${code}`,
        options,
      )
  }
}

/** The error of a command on the namespace as a whole, by errno or outcome. */
export function commandError(code: number, command: IpvsCommand, target: string): IpvsError {
  const options = { command, errno: -code }
  switch (code) {
    case OUTCOME.notSent:
      return new IpvsError('ERR_IPVS_NOT_SENT', `${target} was not sent: its deadline passed`, {
        command,
      })
    case OUTCOME.unknown: {
      const text = `${target} was sent, but there was no answer; read it back before relying on it`
      return new IpvsError('ERR_IPVS_UNKNOWN_OUTCOME', text, { command })
    }
    case errno.EEXIST:
      return new IpvsError(
        'ERR_IPVS_DAEMON_RUNNING',
        `${target}: it runs already; stop it to change it`,
        options,
      )
    case errno.ENETUNREACH:
    case errno.EADDRNOTAVAIL: {
      const text = `${target}: the interface cannot send to the group: is it up, with an address of the group's family?`
      return new IpvsError('ERR_IPVS_KERNEL', text, options)
    }
    case errno.ENODEV:
      return new IpvsError(
        'ERR_IPVS_NO_DEVICE',
        `${target}: there is no such interface here`,
        options,
      )
    case errno.EINVAL:
      return new IpvsError('ERR_IPVS_INVALID', `${target}: the kernel finds it invalid`, options)
    case errno.ESRCH:
      if (command !== 'DEL_DAEMON') break
      return new IpvsError('ERR_IPVS_DAEMON_STOPPED', `${target}: it does not run`, options)
  }
  return readError(code, command, target)
}

/** The error of writing a setting: `code` is what opening or writing its file gave. */
export function sysctlError(code: number, target: string): IpvsError {
  const options = { errno: -code }
  switch (code) {
    case errno.ENOENT:
      return new IpvsError(
        'ERR_IPVS_KERNEL',
        `${target}: this kernel or namespace has no such setting`,
        options,
      )
    case errno.EACCES:
    case errno.EPERM:
    case errno.EROFS:
      return new IpvsError(
        'ERR_IPVS_READ_ONLY',
        `${target}: it may not be written from here`,
        options,
      )
    case errno.EINVAL:
      return new IpvsError(
        'ERR_IPVS_INVALID',
        `${target}: the kernel finds the value invalid`,
        options,
      )
    default:
      return new IpvsError(
        'ERR_IPVS_KERNEL',
        `${target}: the kernel answered errno ${code}`,
        options,
      )
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

function meaningOf(change: Change, code: number): Meaning {
  const onService = !('destination' in change)
  switch (code) {
    case errno.EEXIST:
      return onService
        ? { code: 'ERR_IPVS_EXISTS', text: 'there is such a service already' }
        : { code: 'ERR_IPVS_EXISTS', text: 'the service has such a destination already' }
    case errno.ESRCH:
      return { code: 'ERR_IPVS_NO_SERVICE', text: 'there is no such service' }
    case errno.ENOENT:
      return onService
        ? missingModule(change)
        : { code: 'ERR_IPVS_NO_DESTINATION', text: 'the service has no such destination' }
    case errno.EPERM:
      return { code: 'ERR_IPVS_PERMISSION', text: PERMISSION }
    case errno.EINVAL:
      return { code: 'ERR_IPVS_INVALID', text: onService ? INVALID_SERVICE : INVALID_DESTINATION }
    case errno.ERANGE:
      return { code: 'ERR_IPVS_RANGE', text: 'a weight or threshold is out of range' }
    case errno.EAFNOSUPPORT:
      return {
        code: 'ERR_IPVS_FAMILY',
        text: 'this kernel does not do IPVS for that address family; is IPv6 switched off?',
      }
    case errno.ENOMEM:
    case errno.ENOBUFS:
      return { code: 'ERR_IPVS_MEMORY', text: MEMORY }
    default:
      return { code: 'ERR_IPVS_KERNEL', text: 'the kernel refused it' }
  }
}

const INVALID_SERVICE = 'the kernel finds the service invalid'
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
