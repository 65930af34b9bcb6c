// checks.radius: whether a RADIUS server answers Status-Server (RFC 5997).
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import {
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { exchange, type NotOurs } from './udp-exchange.js'

/** Options of `checks.radius`. */
export interface RadiusCheckOptions extends CheckEndpointOptions {
  /** What the server shares with us as its client. Never part of a reason. */
  readonly secret: string
}

const STATUS_SERVER = 12
/** Of a port for authentication, of one for accounting. */
const ANSWERS = new Map([
  [2, 'Access-Accept'],
  [5, 'Accounting-Response'],
])
const HEADER_BYTES = 20
const MOST_BYTES = 4096
const MESSAGE_AUTHENTICATOR = 80
const AUTHENTICATOR_BYTES = 16

/**
 * Asks with Status-Server, which no user's session comes of, and waits for Access-Accept or Accounting-Response. Both are
 * signed with the secret; a server that does not know us, or knows us by another secret, is silent.
 *
 * @throws ArgumentError
 */
export function radius(options: RadiusCheckOptions): Check {
  const fields = checkOptions(options, 'options', [...endpointOptionNames, 'secret'])
  const endpointOf = readEndpoint(fields)
  const { secret } = fields
  // Not with the value: its message would have the secret in it.
  if (typeof secret !== 'string' || secret === '')
    throw typeError('options.secret', 'a text, not empty', typeof secret)
  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const label = `radius ${formatEndpoint(endpoint)}`
    const payload = encodeRequest(secret)
    const { name } = await exchange({ endpoint, payload, label, signal }, (reply) =>
      readReply(reply, payload, secret),
    )
    return { detail: name }
  }
}

function encodeRequest(secret: string): Buffer {
  // Code, number, length, authenticator (RFC 2865, 3); one attribute: type, length, value.
  const request = Buffer.alloc(HEADER_BYTES + 2 + AUTHENTICATOR_BYTES)
  request[0] = STATUS_SERVER
  randomBytes(1).copy(request, 1)
  request.writeUInt16BE(request.length, 2)
  randomBytes(AUTHENTICATOR_BYTES).copy(request, 4)
  request[HEADER_BYTES] = MESSAGE_AUTHENTICATOR
  request[HEADER_BYTES + 1] = 2 + AUTHENTICATOR_BYTES
  // Over the whole, with zeros in its own place (RFC 3579, 3.2).
  sign(request, secret).copy(request, HEADER_BYTES + 2)
  return request
}

function sign(packet: Buffer, secret: string): Buffer {
  return createHmac('md5', secret).update(packet).digest()
}

function readReply(
  datagram: Buffer,
  request: Buffer,
  secret: string,
): { readonly name: string } | NotOurs {
  if (datagram.length < HEADER_BYTES) return { notOurs: `only ${datagram.length} bytes` }
  const length = datagram.readUInt16BE(2)
  if (length < HEADER_BYTES || length > MOST_BYTES || length > datagram.length)
    return { notOurs: `a length of ${length} bytes` }
  // What follows its length is no part of it.
  const reply = datagram.subarray(0, length)
  if (reply[1] !== request[1]) return { notOurs: 'wrong number' }
  // Both authenticators are made with that of the request in the place of the reply's own.
  const signed = Buffer.from(reply)
  request.copy(signed, 4, 4, HEADER_BYTES)
  const digest = createHash('md5').update(signed).update(secret).digest()
  if (!digest.equals(reply.subarray(4, HEADER_BYTES)))
    return { notOurs: 'not signed with our secret' }
  const at = findAuthenticator(reply)
  if (at !== undefined) {
    signed.fill(0, at, at + AUTHENTICATOR_BYTES)
    if (!sign(signed, secret).equals(reply.subarray(at, at + AUTHENTICATOR_BYTES)))
      return { notOurs: 'not signed with our secret' }
  }
  const code = reply.readUInt8(0)
  const name = ANSWERS.get(code)
  if (name === undefined) throw new Error(`answered with code ${code}, expected Access-Accept`)
  return { name }
}

/** Where the value of its Message-Authenticator is, if it has one. */
function findAuthenticator(reply: Buffer): number | undefined {
  for (let at = HEADER_BYTES; at + 2 <= reply.length; ) {
    const length = reply.readUInt8(at + 1)
    if (length < 2 || at + length > reply.length) return undefined
    if (reply[at] === MESSAGE_AUTHENTICATOR && length === 2 + AUTHENTICATOR_BYTES) return at + 2
    at += length
  }
  return undefined
}
