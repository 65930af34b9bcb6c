// The two messages of grpc.health.v1.Health/Check, with the prefix that gRPC puts before a message.
import { show, showText } from './show.js'

/** With its prefix. The answer has two bytes; whatever else comes is not of this protocol. */
export const MOST_ANSWER_BYTES = 4096

const PREFIX_BYTES = 5
/** Field 1 of both messages, as protobuf has it: a text in the request, a number in the answer. */
const SERVICE = 0x0a
const STATUS = 0x08

const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']

const CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service)
  // A default value is not sent. Up to 16,383 bytes, a length has two bytes of seven bits each.
  const length =
    name.length < 0x80 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7]
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([SERVICE, ...length]), name])
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** @throws Error that says what is not `SERVING` about it. */
export function answerOf(answer: Buffer): string {
  const isOne =
    answer.length >= PREFIX_BYTES &&
    answer[0] === 0 &&
    answer.readUInt32BE(1) === answer.length - PREFIX_BYTES
  const status = isOne ? statusIn(answer.subarray(PREFIX_BYTES)) : undefined
  if (status === undefined)
    throw new Error(
      `answered ${answer.length === 0 ? 'nothing' : show(answer)}, no answer of grpc.health.v1`,
    )
  const name = STATUSES[status] ?? `status ${status}`
  if (name !== 'SERVING') throw new Error(`${name}, expected SERVING`)
  return name
}

/** Of several the last one counts; fields that we do not know are passed over. `undefined`: that is no such message. */
function statusIn(message: Buffer): number | undefined {
  let status = 0
  for (let at = 0; at < message.length; ) {
    const tag = readVarint(message, at)
    if (tag === undefined) return undefined
    const value = readVarint(message, tag.end)
    switch (tag.value & 7) {
      case 0:
        if (value === undefined) return undefined
        if (tag.value === STATUS) status = value.value
        at = value.end
        break
      case 1:
        at = tag.end + 8
        break
      case 2:
        if (value === undefined) return undefined
        at = value.end + value.value
        break
      case 5:
        at = tag.end + 4
        break
      default:
        return undefined
    }
    if (at > message.length) return undefined
  }
  return status
}

/** Seven bits a byte, the lowest first, ten bytes at most. */
function readVarint(message: Buffer, from: number): { value: number; end: number } | undefined {
  let value = 0
  for (let i = 0; i < 10; i++) {
    const byte = message[from + i]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return { value, end: from + i + 1 }
  }
  return undefined
}

/** As in `5 (NOT_FOUND)`. */
export function nameOfCode(code: unknown): string {
  const name = typeof code === 'string' && /^\d{1,2}$/.test(code) ? CODES[Number(code)] : undefined
  return name === undefined ? showText(String(code)) : `${code} (${name})`
}
