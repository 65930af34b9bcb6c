// The answer to a query of MySQL, as far as its first row.
import { readError, readPacket } from './mysql-packet.js'
import { show } from './show.js'

/** COM_QUERY. */
export const QUERY = 3

/** Of a row: each column as text, `null` for NULL. */
export type Row = readonly (string | null)[]

const OK_BYTE = 0x00
const EOF_BYTE = 0xfe
const NULL_BYTE = 0xfb

/** The first row, what else it is in words, or that there is more to come: the text protocol's answer, with EOF packets. */
export function readFirstRow(received: Buffer): Row | 'more' | string {
  let at = 0
  let sequence = 0
  const next = () => {
    sequence = (sequence + 1) & 0xff
    const packet = readPacket(received.subarray(at), sequence)
    if (typeof packet === 'object') at += packet.bytes
    return typeof packet === 'object' ? packet.payload : packet
  }
  const other = () => show(received.subarray(at))

  const head = next()
  if (head === 'more') return head
  if (head === undefined) return other()
  const error = readError(head)
  if (error !== undefined) return error.text
  if (head[0] === OK_BYTE) return 'no row'
  const count = readLength(head, 0)
  if (count === undefined || count.end !== head.length) return show(head)
  // The columns' definitions, which end with an EOF packet.
  for (let left = count.value; left >= 0; left--) {
    const definition = next()
    if (definition === 'more') return definition
    if (definition === undefined || isEof(definition) !== (left === 0)) return other()
  }
  const row = next()
  if (row === 'more') return row
  if (row === undefined) return other()
  if (isEof(row)) return 'no row'
  return readError(row)?.text ?? readRow(row, count.value) ?? show(row)
}

function isEof(payload: Buffer): boolean {
  return payload[0] === EOF_BYTE && payload.length < 9
}

function readRow(payload: Buffer, columns: number): Row | undefined {
  const row: (string | null)[] = []
  let at = 0
  for (let i = 0; i < columns; i++) {
    if (payload[at] === NULL_BYTE) {
      row.push(null)
      at++
      continue
    }
    const length = readLength(payload, at)
    if (length === undefined || length.end + length.value > payload.length) return undefined
    at = length.end + length.value
    row.push(payload.toString('utf8', length.end, at))
  }
  return at === payload.length ? row : undefined
}

/** A number of one byte, or of two or three after a byte that says so: no packet here is longer. */
function readLength(payload: Buffer, at: number): { value: number; end: number } | undefined {
  const first = payload[at]
  if (first === undefined) return undefined
  if (first < NULL_BYTE) return { value: first, end: at + 1 }
  const bytes = first === 0xfc ? 2 : first === 0xfd ? 3 : undefined
  if (bytes === undefined || at + 1 + bytes > payload.length) return undefined
  return { value: payload.readUIntLE(at + 1, bytes), end: at + 1 + bytes }
}
