// Errors for people: one sentence, and the exit status that goes with it.
import type { IpvsErrorCode } from '../errors.js'
import { exitStatuses } from './spec.js'

/** What ends a command, with a whole sentence (or lines of them) for stderr. */
export class CommandError extends Error {
  readonly status: number

  constructor(message: string, status: number = exitStatuses.failed, cause?: unknown) {
    super(message, { cause })
    this.status = status
  }
}

/** Bad usage, or a file that cannot be read. */
export function usageError(message: string, cause?: unknown): CommandError {
  return new CommandError(message, exitStatuses.usage, cause)
}

/** Those of `ipvs/director`. */
type DirectorCode = 'ERR_IPVS_CONFIG' | 'ERR_IPVS_NO_DIRECTOR'

/** What the message of the library's error does not say: what still works, and what to do. */
const more: Partial<
  Record<IpvsErrorCode | DirectorCode, { readonly status?: number; readonly text: string }>
> = {
  ERR_IPVS_PERMISSION: {
    status: exitStatuses.refused,
    text: 'Nothing was changed, and traffic goes on. "ipvs list", "ipvs top" and "ipvs diff" also read without privilege, where /proc/net/ip_vs can be read.',
  },
  ERR_IPVS_UNAVAILABLE: { status: exitStatuses.refused, text: 'Nothing was changed.' },
  ERR_IPVS_NO_NAMESPACE: { status: exitStatuses.usage, text: 'Nothing was read or changed.' },
  ERR_IPVS_CONFIG: { status: exitStatuses.usage, text: 'Nothing was changed.' },
  ERR_IPVS_NO_DIRECTOR: {
    text: 'The kernel goes on with what it holds. "ipvs run FILE" starts a director; --control PATH is for one with another socket.',
  },
  ERR_IPVS_TIMEOUT: {
    text: 'Traffic goes on. The kernel takes one command at a time: see what else writes its table, and try again.',
  },
}

export interface Ending {
  readonly message: string
  readonly status: number
}

/** What to say about an error, whoever has thrown it, and how to end. */
export function endingOf(error: unknown): Ending {
  if (error instanceof CommandError) return error
  const { code, message } = (error ?? {}) as { readonly code?: string; readonly message?: string }
  if (code === undefined || !code.startsWith('ERR_IPVS_')) {
    const text = error instanceof Error ? error.stack : String(error)
    return {
      message: `something went wrong that should not, a fault of this program. Please report it with these lines: ${text}`,
      status: exitStatuses.failed,
    }
  }
  // What the caller typed or wrote, which no check of ours has found.
  if (code === 'ERR_IPVS_ARGUMENT') {
    return { message: sentence(message!), status: exitStatuses.usage }
  }
  const known = more[code as IpvsErrorCode | DirectorCode]
  return {
    message: [sentence(message!), known?.text].filter(Boolean).join(' '),
    status: known?.status ?? exitStatuses.failed,
  }
}

/** Errors of the system, such as that of a file. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'it is not there',
    EACCES: 'this user may not read it',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of its path is no folder',
  }
  return reasons[code ?? ''] ?? message
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}
