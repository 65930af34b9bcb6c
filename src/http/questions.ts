// What sources ask web servers for: an address, a token, an answer that is as it should be.
import { rangeError, typeError } from '../errors.js'
import type { HttpAnswer } from './client.js'
import { type TextOrFile, textOf } from './text.js'

/** A URL of a web server. What is secret has no place in it: it is shown. @throws TypeError, RangeError */
export function readHttpUrl(value: unknown, option: string, example: string): URL {
  const rule = `an http: or https: address such as ${example}, without user and password`
  if (typeof value !== 'string') throw typeError(option, rule, value)
  const url = URL.canParse(value) ? new URL(value) : undefined
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (!isWeb || url.username + url.password !== '') throw rangeError(option, rule, value)
  return url
}

/** @throws Error (rejects) its file cannot be read */
export async function bearer(token: TextOrFile | undefined): Promise<Record<string, string>> {
  return token === undefined ? {} : { authorization: `Bearer ${await textOf(token)}` }
}

/** What an answer with another status than 200 means. */
export function statusError(url: URL, { status, headers, text }: HttpAnswer): Error {
  const { location } = headers
  const isElsewhere = status >= 300 && status < 400 && location !== undefined
  const said = isElsewhere
    ? `: ask at ${location}; redirects are not followed`
    : `: ${JSON.stringify(text.trim().slice(0, 200))}`
  const error = new Error(`${url.origin}${url.pathname} has answered ${status}${said}`)
  return Object.assign(error, { code: 'ERR_HTTP_STATUS', status })
}

/** @throws Error: the answer is no JSON */
export function jsonOf(url: URL, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw strangeAnswer(url, `no JSON: ${(error as Error).message}`, error)
  }
}

/** @param what is wrong with the answer */
export function strangeAnswer(url: URL, what: string, cause?: unknown): Error {
  const error = new Error(
    `${url.origin}${url.pathname} has answered what cannot be used: ${what}`,
    {
      cause,
    },
  )
  return Object.assign(error, { code: 'ERR_HTTP_ANSWER' })
}
