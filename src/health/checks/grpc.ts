// checks.grpc: what a gRPC server says of its health (grpc.health.v1, the protocol of grpc's own health checking).
import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import { rangeError, typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import {
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { answerOf, encodeRequest, MOST_ANSWER_BYTES, nameOfCode } from './grpc-message.js'
import { readHost } from './http-rules.js'
import { withHttp2 } from './http2.js'
import { showText } from './show.js'
import { type CheckTlsOptions, readTls } from './tls-client.js'

/** Options of `checks.grpc`. */
export interface GrpcCheckOptions extends CheckEndpointOptions {
  /** The service to ask about, at most 1024 bytes, as the server has registered it. Default: the server as a whole. */
  readonly service?: string | undefined
  /** The pseudo-header `:authority`. Default: address and port. */
  readonly host?: string | undefined
  /** TLS, with ALPN `h2`. Default: none, HTTP/2 from the first byte. */
  readonly tls?: boolean | CheckTlsOptions | undefined
}

/**
 * Healthy when the server answers `Check` with `SERVING` and the status OK. `NOT_SERVING` and the like fail by their name, a
 * status by its number, name and text: `answered status 5 (NOT_FOUND) "unknown service"`.
 *
 * @throws ArgumentError
 */
export function grpc(options: GrpcCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', [
    ...endpointOptionNames,
    'service',
    'host',
    'tls',
  ])
  const endpointOf = readEndpoint(fields)
  const host = fields.host === undefined ? undefined : readHost(fields.host)
  const body = encodeRequest(readService(fields.service))
  const tls = readTls(fields.tls, 'options.tls', { alpn: ['h2'] })
  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const whole = formatEndpoint(endpoint)
    const headers = {
      ':method': 'POST',
      ':scheme': tls === undefined ? 'http' : 'https',
      ':authority': host ?? whole,
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'ipvs',
    }
    const plan = { endpoint, tls, label: `grpc ${whole}`, signal, headers, body }
    const detail = await withHttp2<string>(plan, (stream, { succeed, fail }) => {
      const parts: Buffer[] = []
      let length = 0
      let isComplete = false
      let trailers: IncomingHttpHeaders | undefined
      const attempt = (step: () => string | undefined) => {
        try {
          const said = step()
          if (said !== undefined) succeed(said)
        } catch (error) {
          fail(error instanceof Error ? error : new Error(String(error)))
        }
      }
      /** The last data and the trailers come in any order. */
      const judge = () => {
        if (!isComplete || trailers === undefined) return undefined
        checkStatus(trailers)
        return answerOf(Buffer.concat(parts))
      }
      stream.once('response', (head) =>
        attempt(() => {
          checkHead(head)
          // Without a message, its status is in the head.
          if (head['grpc-status'] !== undefined) trailers = head
          stream.on('data', (bytes: Buffer) =>
            attempt(() => {
              length += bytes.length
              if (length > MOST_ANSWER_BYTES)
                throw new Error(`answered with more than ${MOST_ANSWER_BYTES} bytes`)
              parts.push(bytes)
              return undefined
            }),
          )
          return judge()
        }),
      )
      stream.once('trailers', (last) => {
        trailers ??= last
        attempt(judge)
      })
      stream.once('end', () => {
        isComplete = true
        attempt(judge)
      })
    })
    return { detail }
  }
}

function readService(service: unknown = ''): string {
  if (typeof service !== 'string')
    throw typeError('options.service', 'the name of a service', service)
  if (Buffer.byteLength(service) > 1024)
    throw rangeError('options.service', 'a name of at most 1024 bytes', service)
  return service
}

function checkHead(head: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
  const { ':status': status = 0, 'content-type': type = '' } = head
  if (status !== 200) throw new Error(`status ${status}, expected 200`)
  if (!/^application\/grpc(?![\w-])/i.test(type))
    throw new Error(`answered with ${showText(type)}, expected application/grpc`)
}

function checkStatus(trailers: IncomingHttpHeaders): void {
  const { 'grpc-status': code, 'grpc-message': message = '' } = trailers
  if (code === '0') return
  const text = message === '' ? '' : ` ${showText(decoded(String(message)))}`
  throw new Error(`answered status ${nameOfCode(code)}${text}`)
}

/** Bytes that would not go as they are come as %20 and the like. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message)
  } catch {
    return message
  }
}
