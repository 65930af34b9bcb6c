// What checks.http asks for and what the head of the answer must be.
import { METHODS, validateHeaderName, validateHeaderValue } from 'node:http'
import { rangeError, typeError } from '../../errors.js'
import { checkInteger } from '../../validate.js'
import type { Head } from './http-answer.js'

/** One status, or a range of them, both ends included: `200`, `'200-399'`. */
export type HttpStatusRule = number | `${number}-${number}`

/** What is wrong with it, or `undefined`. */
export type StatusCheck = (status: number) => string | undefined
export type HeadersCheck = (headers: Head['headers']) => string | undefined

/** @throws ArgumentError */
export function readStatus(value: unknown): StatusCheck {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw typeError('options.status', 'one or more statuses', value)
  const ranges = list.map((item): readonly [number, number] => {
    const range = typeof item === 'string' ? /^(\d{3})-(\d{3})$/.exec(item) : null
    const [from, to] = range === null ? [item, item] : [Number(range[1]), Number(range[2])]
    if (typeof item === 'string' && (range === null || Number(from) > Number(to)))
      throw rangeError('options.status', "a range such as '200-399'", item)
    return [
      checkInteger(from, 'options.status', 100, 599),
      checkInteger(to, 'options.status', 100, 599),
    ]
  })
  const expected = ranges.map(([from, to]) => (from === to ? from : `${from} to ${to}`)).join(', ')
  return (status) =>
    ranges.some(([from, to]) => status >= from && status <= to)
      ? undefined
      : `status ${status}, expected ${expected}`
}

/** @throws ArgumentError */
export function readExpectedHeaders(value: unknown): HeadersCheck {
  const rules = Object.entries(readRecord(value, 'options.expectHeaders')).map(([name, rule]) => {
    if (typeof rule !== 'string' && !(rule instanceof RegExp))
      throw typeError(`options.expectHeaders.${name}`, 'a text or a regular expression', rule)
    checkHeader(name, undefined, 'options.expectHeaders')
    return { name: name.toLowerCase(), rule }
  })
  return (headers) => {
    for (const { name, rule } of rules) {
      const values = headers.get(name)
      if (values === undefined) return `no header ${name}`
      const text = values.join(', ')
      // A copy: with flags g or y it remembers where it has been.
      const fits = (value: string) =>
        typeof rule === 'string' ? value === rule : new RegExp(rule).test(value)
      // One of several lines is enough: some have it twice.
      const fine = fits(text) || values.some(fits)
      const expected = typeof rule === 'string' ? JSON.stringify(rule) : rule
      if (!fine) return `header ${name} is ${JSON.stringify(text)}, expected ${expected}`
    }
    return undefined
  }
}

export type HttpHeader = readonly [name: string, value: string]

/** What is about a connection of HTTP/1.1 is not sent over HTTP/2 (RFC 9113, 8.2.2). */
const CONNECTION_HEADERS = ['connection', 'proxy-connection', 'keep-alive', 'upgrade', 'te']

/**
 * The headers of a request.
 *
 * @param ours those that the caller's replace
 * @throws ArgumentError
 */
export function readHeaders(
  value: unknown,
  ours: Readonly<Record<string, string>>,
  isHttp2: boolean,
): readonly HttpHeader[] {
  const headers = new Map<string, HttpHeader>(
    Object.entries(ours).map(([name, text]) => [name.toLowerCase(), [name, text]]),
  )
  for (const [name, text] of Object.entries(readRecord(value, 'options.headers'))) {
    if (typeof text !== 'string') throw typeError(`options.headers.${name}`, 'a text', text)
    checkHeader(name, text, 'options.headers')
    const key = name.toLowerCase()
    if (key === 'host')
      throw typeError(`options.headers.${name}`, 'left out: it is options.host', text)
    if (key === 'transfer-encoding')
      throw typeError(`options.headers.${name}`, 'left out: no body is sent', text)
    if (isHttp2 && CONNECTION_HEADERS.includes(key))
      throw typeError(`options.headers.${name}`, 'left out with options.http2', text)
    headers.set(key, [name, text])
  }
  return [...headers.values()]
}

/** @throws ArgumentError */
export function readMethod(value: unknown): string {
  // The answer to CONNECT is a tunnel.
  if (typeof value === 'string' && METHODS.includes(value) && value !== 'CONNECT') return value
  throw rangeError('options.method', 'a method in capitals such as GET, HEAD or OPTIONS', value)
}

/** @throws ArgumentError */
export function readPath(value: unknown): string {
  if (typeof value !== 'string') throw typeError('options.path', 'a path such as /health', value)
  if (!/^(\/[\x21-\x7e]*|\*)$/.test(value)) {
    const rule = 'a path that begins with /, in ASCII without spaces (others as %20 and the like)'
    throw rangeError('options.path', rule, value)
  }
  return value
}

/** @throws ArgumentError */
export function readHost(value: unknown): string {
  if (typeof value !== 'string') throw typeError('options.host', 'a host name', value)
  if (!/^[\w.-]+(:\d+)?$|^\[[\da-fA-F:.]+\](:\d+)?$/.test(value))
    throw rangeError('options.host', 'a host name, with or without a port', value)
  return value
}

/** @throws ArgumentError */
export function readRecord(value: unknown, option: string): Readonly<Record<string, unknown>> {
  if (Object.prototype.toString.call(value) === '[object Object]')
    return value as Readonly<Record<string, unknown>>
  throw typeError(option, 'an object of names and values', value)
}

/** @throws ArgumentError */
export function checkHeader(name: string, text: string | undefined, option: string): void {
  try {
    validateHeaderName(name)
    if (text !== undefined) validateHeaderValue(name, text)
  } catch (error) {
    const why = error instanceof Error ? `: ${error.message}` : ''
    throw rangeError(`${option}.${name}`, `a header that can be sent${why}`, text ?? name)
  }
}
