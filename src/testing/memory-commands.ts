// A change as the commands it sends, and what of their errors counts (native/ipvs_codec.cc: CommandOf, IsSwallowed).
import { constants } from 'node:os'
import type { Change } from '../types.js'
import type { CheckedChange } from '../validate.js'
import type { MemoryTable } from './memory-table.js'

const { EEXIST, ENOENT, ESRCH } = constants.errno

// linux/ip_vs.h: IPVS_CMD_*.
const NEW_SERVICE = 1
const SET_SERVICE = 2
const DEL_SERVICE = 3
const NEW_DEST = 5
const SET_DEST = 6
const DEL_DEST = 7

interface Message {
  readonly command: number
  /** Errors that mean "it is so already". */
  readonly swallowed: readonly number[]
}

const MESSAGES: Readonly<Record<Change['op'], readonly Message[]>> = {
  'add-service': [{ command: NEW_SERVICE, swallowed: [] }],
  'replace-service': [{ command: SET_SERVICE, swallowed: [] }],
  'ensure-service': [
    { command: NEW_SERVICE, swallowed: [EEXIST] },
    { command: SET_SERVICE, swallowed: [] },
  ],
  'remove-service': [{ command: DEL_SERVICE, swallowed: [] }],
  'ensure-no-service': [{ command: DEL_SERVICE, swallowed: [ESRCH] }],
  'add-destination': [{ command: NEW_DEST, swallowed: [] }],
  'replace-destination': [{ command: SET_DEST, swallowed: [] }],
  'ensure-destination': [
    { command: NEW_DEST, swallowed: [EEXIST] },
    { command: SET_DEST, swallowed: [] },
  ],
  'remove-destination': [{ command: DEL_DEST, swallowed: [] }],
  'ensure-no-destination': [{ command: DEL_DEST, swallowed: [ENOENT, ESRCH] }],
}

/** What became of one change: `code` 0 if it was applied. */
export interface Outcome {
  readonly code: number
  readonly command: number
}

const APPLIED: Outcome = { code: 0, command: 0 }

export function messagesOf(change: CheckedChange): number {
  return MESSAGES[change.op].length
}

/** The command a change begins with. */
export function commandOf(change: CheckedChange): number {
  return MESSAGES[change.op][0]!.command
}

/** All messages run, whatever the one before gave; the first error that counts is the change's. */
export function runChange(table: MemoryTable, change: CheckedChange): Outcome {
  let outcome = APPLIED
  for (const { command, swallowed } of MESSAGES[change.op]) {
    const code = runCommand(table, command, change)
    if (code === 0 || outcome.code !== 0 || swallowed.includes(code)) continue
    outcome = { code, command }
  }
  return outcome
}

function runCommand(table: MemoryTable, command: number, change: CheckedChange): number {
  const isNew = command === NEW_SERVICE || command === NEW_DEST
  switch (change.op) {
    case 'add-service':
    case 'replace-service':
    case 'ensure-service':
      return isNew ? table.newService(change.service) : table.setService(change.service)
    case 'remove-service':
    case 'ensure-no-service':
      return table.deleteService(change.service)
    case 'add-destination':
    case 'replace-destination':
    case 'ensure-destination': {
      const { service, destination } = change
      return isNew
        ? table.newDestination(service, destination)
        : table.setDestination(service, destination)
    }
    case 'remove-destination':
    case 'ensure-no-destination':
      return table.deleteDestination(change.service, change.destination)
  }
}
