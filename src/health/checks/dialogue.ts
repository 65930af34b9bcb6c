// A dialogue over one TCP connection: send, wait for the answer, judge it, step by step.
import type { Socket } from 'node:net'
import { typeError } from '../../errors.js'
import type { Check } from '../types.js'
import { type ConnectionPlan, withConnection } from './connection.js'
import {
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { show } from './show.js'
import { type CheckTlsOptions, readTls, type TlsClient } from './tls-client.js'

/**
 * What a step makes of the bytes received so far: `undefined` if it needs more. It must not depend on how the bytes
 * are split: whatever is decided is decided by the first bytes that suffice.
 */
export type Progress =
  | undefined
  /** The first `used` bytes are as they should be; `said` tells about them. `next` comes before the other steps. */
  | { readonly used: number; readonly said: string; readonly next?: readonly Step[] }
  /** What is wrong: `answered "554 no service", expected 220`. */
  | { readonly wrong: string }

export interface Step {
  /** Begins TLS, before anything else. */
  readonly startTls?: TlsClient
  /** A function is given our own address. */
  readonly send?: Uint8Array | ((localAddress: string) => Uint8Array)
  /** Without it nothing is waited for. */
  readonly read?: (received: Buffer) => Progress
  /** What is waited for: `250 to EHLO`. */
  readonly awaited?: string
}

/** The options of checks that hold a dialogue over TCP or TLS. */
export interface DialogueOptions extends CheckEndpointOptions {
  /** TLS from the start, as servers have it on a port of its own. Default false. */
  readonly tls?: boolean | CheckTlsOptions | undefined
}

export const dialogueOptionNames = [...endpointOptionNames, 'tls'] as const

/** The options of those whose protocol can change to TLS. */
export interface StartTlsOptions extends DialogueOptions {
  /** TLS after the protocol's own command for it (STARTTLS, STLS), which must be granted. Default false. */
  readonly startTls?: boolean | CheckTlsOptions | undefined
}

export const startTlsOptionNames = [...dialogueOptionNames, 'startTls'] as const

/** @throws ArgumentError */
export function readStartTls({
  tls,
  startTls,
}: {
  readonly tls: unknown
  readonly startTls: unknown
}): TlsClient | undefined {
  const client = readTls(startTls, 'options.startTls')
  if (client !== undefined && tls !== undefined && tls !== false)
    throw typeError('options.startTls', 'left out with options.tls', startTls)
  return client
}

/** An answer that is not complete after so many bytes is wrong, unless the check says otherwise. */
export const defaultMaxBytes = 16_384

export interface DialogueRules {
  /** What reasons begin with: `smtp`. */
  readonly name: string
  readonly steps: readonly Step[]
  /** The detail of a success, from what each step's answer said. */
  readonly detail: (said: readonly string[]) => string
  readonly maxBytes?: number
}

/**
 * A check that goes through the steps and ends with a reset.
 *
 * @throws ArgumentError for a field that cannot be used
 */
export function dialogueCheck(
  fields: Readonly<Record<(typeof dialogueOptionNames)[number], unknown>>,
  { name, steps, detail, maxBytes = defaultMaxBytes }: DialogueRules,
): Check {
  const endpointOf = readEndpoint(fields)
  const tls = readTls(fields.tls, 'options.tls')
  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const label = `${name} ${formatEndpoint(endpoint)}`
    return { detail: detail(await converse({ endpoint, tls, label, signal }, steps, maxBytes)) }
  }
}

/**
 * @returns what each step's answer said
 * @throws Error (rejects) with the label, a colon and the reason: what came, or what was waited for in vain.
 */
async function converse(
  { tls, ...plan }: ConnectionPlan,
  dialogue: readonly Step[],
  maxBytes: number,
): Promise<readonly string[]> {
  /** What the connection itself cannot tell about its end. */
  let note = ''
  try {
    return await withConnection<readonly string[]>(plan, (plain, { succeed, fail, startTls }) => {
      const steps = [...dialogue]
      const said: string[] = []
      const { localAddress = '' } = plain
      let socket: Socket = plain
      let received: Buffer = Buffer.alloc(0)
      let handshaking = false
      let over = false

      const refuse = (error: Error) => {
        over = true
        note = ''
        fail(error)
      }
      /** Sends what is due, up to the next answer to wait for. */
      const send = () => {
        for (let step = steps[0]; step !== undefined; step = steps[0]) {
          const { startTls: client, ...rest } = step
          if (client !== undefined) {
            steps[0] = rest
            return secure(client)
          }
          if (step.send !== undefined) {
            const bytes = typeof step.send === 'function' ? step.send(localAddress) : step.send
            // The last words shall be on their way before the reset; an answer is not waited for.
            if (step.read === undefined && steps.length === 1) {
              over = true
              return void socket.write(bytes, () => succeed(said))
            }
            socket.write(bytes)
          }
          if (step.read !== undefined) return
          steps.shift()
        }
        over = true
        succeed(said)
      }
      const read = () => {
        for (let step = steps[0]; !over && step?.read !== undefined; step = steps[0]) {
          const progress = step.read(received.subarray(0, maxBytes))
          if (progress === undefined) {
            if (received.length < maxBytes) return
            throw new Error(
              `more than ${maxBytes} bytes without an end of the answer, which begins ${show(received)}`,
            )
          }
          if ('wrong' in progress) throw new Error(progress.wrong)
          received = received.subarray(progress.used)
          said.push(progress.said)
          steps.shift()
          if (progress.next !== undefined) steps.unshift(...progress.next)
          send()
        }
      }
      /** The functions of the steps may throw. */
      const guard = (work: () => void) => {
        if (over) return
        try {
          work()
        } catch (error) {
          return refuse(error instanceof Error ? error : new Error(String(error)))
        }
        note = over || handshaking ? '' : waiting(steps[0], received)
      }
      const onData = (chunk: Buffer) =>
        guard(() => {
          received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
          read()
        })
      const onEnd = () => {
        if (over) return
        const after = received.length === 0 ? '' : ` after ${show(received)}`
        const awaited = steps[0]?.awaited
        const expected = awaited === undefined ? '' : `, expected ${awaited}`
        refuse(new Error(`the server closed the connection${after}${expected}`))
      }
      const talk = (through: Socket) => {
        socket = through
        handshaking = false
        socket.on('data', onData)
        socket.once('end', onEnd)
        guard(send)
      }
      const secure = (client: TlsClient) => {
        // Whoever sits between could have put it there (CVE-2011-0411).
        if (received.length > 0)
          throw new Error(`sent ${show(received)} after the answer that begins TLS`)
        socket.off('data', onData)
        socket.off('end', onEnd)
        handshaking = true
        startTls(client, talk)
      }
      if (tls === undefined) talk(plain)
      else secure(tls)
    })
  } catch (error) {
    if (note === '' || !(error instanceof Error)) throw error
    throw new Error(`${error.message} (${note})`, { cause: error.cause })
  }
}

function waiting(step: Step | undefined, received: Buffer): string {
  const soFar = received.length === 0 ? '' : `so far ${show(received)}`
  const awaited = step?.awaited === undefined ? '' : `waiting for ${step.awaited}`
  return [awaited, soFar].filter((part) => part !== '').join(', ')
}
