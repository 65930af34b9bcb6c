// Why a client could not be opened, and what to do about it.
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { IpvsError } from '../errors.js'
import { type NamespaceSpec, OUTCOME } from './addon.js'
import { isOutOfFiles, noModule, OUT_OF_FILES, PERMISSION } from './errors.js'

const { errno } = constants

/** A negative number is an errno of entering the namespace, a positive one is IPVS's own. */
export function openError(error: number, where: NamespaceSpec): IpvsError {
  const command = 'OPEN'
  const name = where.path ?? `file descriptor ${where.fd}`
  if (error < 0 && where.kind === 'scratch') {
    const text = 'making a network namespace needs root (CAP_SYS_ADMIN)'
    return new IpvsError('ERR_IPVS_PERMISSION', text, { command, errno: error })
  }
  if (error < 0) {
    switch (-error) {
      case errno.EPERM:
      case errno.EACCES: {
        const text = `entering the network namespace ${name} needs root (CAP_SYS_ADMIN)`
        return new IpvsError('ERR_IPVS_PERMISSION', text, { command, errno: error })
      }
      case errno.ENOENT:
      case errno.ENOTDIR:
      case errno.EBADF:
      case errno.EINVAL: {
        const text = `there is no network namespace ${name}; "ip netns list" shows the named ones`
        return new IpvsError('ERR_IPVS_NO_NAMESPACE', text, { command, errno: error })
      }
      default: {
        const text = `the network namespace ${name} cannot be entered: ${reason(-error)}`
        return new IpvsError('ERR_IPVS_KERNEL', text, { command, errno: error })
      }
    }
  }
  if (error === OUTCOME.noFamily || error === errno.EPROTONOSUPPORT) return noModule({ command })
  if (error === errno.EPERM && inUserNamespace()) {
    const text = `IPVS does not work from inside a user namespace (rootless container, unshare -U): ${PERMISSION}`
    const options = { command, errno: -error, reason: 'user-namespace' } as const
    return new IpvsError('ERR_IPVS_UNAVAILABLE', text, options)
  }
  if (error === errno.EPERM) {
    return new IpvsError('ERR_IPVS_PERMISSION', `IPVS refused us: ${PERMISSION}`, {
      command,
      errno: -error,
    })
  }
  const text = `IPVS could not be opened: ${reason(error)}`
  return new IpvsError('ERR_IPVS_KERNEL', text, { command, errno: -error })
}

/** The error of a thread that the system does not give. */
export function threadError(error: number): IpvsError {
  const text =
    `the client's thread could not be made (${getSystemErrorName(-error)}): this process, user or container may have no more of ` +
    'them ("ulimit -u", pids.max of its cgroup); close clients that are not needed, or raise the limit'
  return new IpvsError('ERR_IPVS_KERNEL', text, { command: 'OPEN', errno: -error })
}

function reason(error: number): string {
  const name = getSystemErrorName(-error)
  return isOutOfFiles(error) ? `${OUT_OF_FILES} (${name})` : name
}

/** The initial user namespace maps every id to itself. */
export function inUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
  } catch {
    return false
  }
}
