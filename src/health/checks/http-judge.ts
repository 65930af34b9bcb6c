// What an HTTP answer is worth, whichever version of the protocol it comes by.
import type { CheckSuccess } from '../types.js'
import type { ContentCheck } from './content.js'
import type { Head } from './http-answer.js'
import type { HeadersCheck, StatusCheck } from './http-rules.js'
import type { HttpWeight } from './http-weight.js'

export interface HttpRules {
  readonly status: StatusCheck
  readonly headers: HeadersCheck
  /** `undefined`: the body is not read. */
  readonly body: ContentCheck | undefined
  readonly weight: HttpWeight | undefined
  readonly maxBodyBytes: number
}

/** Is told of the answer as it comes. Its methods throw what is wrong with it. */
export class HttpJudge {
  readonly #rules: HttpRules
  #head: Head | undefined
  #body: Body | undefined

  constructor(rules: HttpRules) {
    this.#rules = rules
  }

  /** Whether that is enough. */
  head(head: Head): boolean {
    const { status, headers, body, maxBodyBytes } = this.#rules
    this.#head = head
    const wrong = status(head.status) ?? headers(head.headers)
    if (wrong !== undefined) throw new Error(wrong)
    // What follows status 101 is not HTTP.
    if (body === undefined || head.status === 101) return true
    this.#body = new Body(body, maxBodyBytes)
    return false
  }

  /** Whether that is enough. */
  body(chunk: Buffer): boolean {
    return this.#body?.add(chunk) ?? true
  }

  end(): void {
    this.#body?.isRight()
  }

  /** To be asked for when it is known to be right. */
  success(): CheckSuccess {
    const { status = 0, headers = new Map() } = this.#head ?? {}
    const detail = `status ${status}`
    const weight = this.#rules.weight?.({ status, headers }, this.#body?.bytes() ?? Buffer.alloc(0))
    if (weight === undefined) return { detail }
    return { detail: `${detail}, ${weight.detail}`, weightFactor: weight.factor }
  }
}

class Body {
  readonly #rule: ContentCheck
  readonly #maxBytes: number
  /** Grows to twice its size: it may come byte by byte. */
  #bytes = Buffer.alloc(0)
  #length = 0

  constructor(rule: ContentCheck, maxBytes: number) {
    this.#rule = rule
    this.#maxBytes = maxBytes
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Whether so much is enough. Throws what is wrong. */
  add(chunk: Buffer): boolean {
    const before = this.#length
    const part = chunk.subarray(0, this.#maxBytes - before)
    this.#length += part.length
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.min(this.#maxBytes, 2 * this.#length))
      this.#bytes.copy(larger, 0, 0, before)
      this.#bytes = larger
    }
    part.copy(this.#bytes, before)
    const { needle } = this.#rule
    // Only what is new, and the last bytes before it, so that many small chunks cost no more than a large one.
    if (needle !== undefined) {
      const fresh = this.#bytes.subarray(Math.max(0, before - needle.length + 1), this.#length)
      if (fresh.includes(needle)) return true
    }
    return this.#length === this.#maxBytes && this.isRight()
  }

  /** Throws what is wrong. */
  isRight(): boolean {
    const wrong = this.#rule.judge(this.bytes())
    if (wrong !== undefined) throw new Error(`body: ${wrong}`)
    return true
  }
}
