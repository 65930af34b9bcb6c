// The weight factor that a server names in its answer.
import { rangeError, typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Head } from './http-answer.js'
import { type JsonPath, parseJson, readJsonPath, showValue, valueAt } from './http-json.js'
import { checkHeader } from './http-rules.js'

/**
 * Where the number is (one of them), and what it is a part of.
 *
 * - `header`: the whole value of this header;
 * - `json`: the value at this path of a JSON body;
 * - `body`: what the first group of this expression matches, or all of it without a group.
 */
export type HttpWeightRule = {
  /** The number that stands for the whole weight, over 0, of which the answer's is a part of; larger ones mean the same. Default 1. */
  readonly max?: number | undefined
} & (
  | { readonly header: string; readonly json?: undefined; readonly body?: undefined }
  | { readonly json: string; readonly header?: undefined; readonly body?: undefined }
  | { readonly body: RegExp; readonly header?: undefined; readonly json?: undefined }
)

/** Throws what is wrong with the answer if there is no such number. */
export type HttpWeight = (head: Head, body: Buffer) => { factor: number; detail: string }

const OPTION = 'options.weight'

/** @throws ArgumentError */
export function readWeight(value: unknown): {
  readonly of: HttpWeight
  readonly readsBody: boolean
} {
  const {
    max = 1,
    header,
    json,
    body,
  } = checkOptions(value, OPTION, ['max', 'header', 'json', 'body'])
  if (typeof max !== 'number') throw typeError(`${OPTION}.max`, 'a number over 0', max)
  if (!Number.isFinite(max) || max <= 0) throw rangeError(`${OPTION}.max`, 'a number over 0', max)
  if ([header, json, body].filter((one) => one !== undefined).length !== 1)
    throw typeError(OPTION, 'an object with one of header, json and body', value)
  const find = readPlace(header, json, body)
  return {
    readsBody: header === undefined,
    of: (head, bytes) => {
      const { what, found } = find(head, bytes)
      if (found === undefined) throw new Error(`weight: no ${what}`)
      const number = numberOf(found)
      if (number === undefined)
        throw new Error(`weight: ${what} is ${showValue(found)}, expected a number from 0 on`)
      return { factor: Math.min(1, number / max), detail: `weight ${number} of ${max}` }
    },
  }
}

type Place = (head: Head, body: Buffer) => { readonly what: string; readonly found: unknown }

function readPlace(header: unknown, json: unknown, body: unknown): Place {
  if (header !== undefined) {
    if (typeof header !== 'string') throw typeError(`${OPTION}.header`, 'a name', header)
    checkHeader(header, undefined, OPTION)
    const name = header.toLowerCase()
    return ({ headers }) => ({ what: `header ${name}`, found: headers.get(name)?.at(-1) })
  }
  if (json !== undefined) {
    const path: JsonPath = readJsonPath(json, `${OPTION}.json`)
    return (_, bytes) => ({ what: path.join('.'), found: valueAt(parseJson(bytes), path) })
  }
  if (!(body instanceof RegExp)) throw typeError(`${OPTION}.body`, 'a regular expression', body)
  const expression = new RegExp(body.source, body.flags.replace(/[gy]/g, ''))
  return (_, bytes) => {
    const match = expression.exec(bytes.toString())
    return { what: `${expression} in the body`, found: match?.[1] ?? match?.[0] }
  }
}

/** Digits, with a point or without; no sign, no exponent, nothing that Number() takes besides. */
function numberOf(found: unknown): number | undefined {
  const number =
    typeof found === 'string' && /^\d{1,15}(\.\d{1,15})?$/.test(found.trim())
      ? Number(found)
      : found
  return typeof number === 'number' && number >= 0 ? number : undefined
}
