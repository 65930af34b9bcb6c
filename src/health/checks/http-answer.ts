// An HTTP/1 answer, read as it comes: as lenient as the clients that are served, in bounded memory.
import { show } from './show.js'

export interface Head {
  readonly status: number
  /** By their names in lower case; one value for each line. */
  readonly headers: ReadonlyMap<string, readonly string[]>
}

/** The head comes once, the parts of the body after it, the end last. */
export type Part = { readonly head: Head } | { readonly body: Buffer } | 'end'

/** As curl (CURL_MAX_HTTP_HEADER): the head, with what came before it, or the lines around a chunk. */
const MOST_LINE_BYTES = 300 * 1024

type State =
  | 'status line'
  | 'headers'
  | 'body to its length'
  | 'body to the end'
  | 'size of a chunk'
  | 'chunk'
  | 'end of a chunk'
  | 'trailers'
  | 'over'

/**
 * Reads one answer. What nobody would pass on needs no suspicion, so it takes lines that end in LF, folded headers, blanks before a
 * colon, control bytes, several lengths (the last counts), a length beside chunks, whatever follows the end. Answers with
 * a status of 1xx come before the one that counts, but for 101.
 */
export class HttpAnswer {
  readonly #bodiless: boolean
  #state: State = 'status line'
  /** The line so far; they may come byte by byte. */
  #line = ''
  #lineBytes = 0
  #status = 0
  #headers = new Map<string, string[]>()
  /** The values of the header that a folded line goes on with. */
  #values: string[] | undefined
  /** Of the body or the chunk. */
  #left = 0

  /** @param method of the request: there is no body after HEAD. */
  constructor(method: string) {
    this.#bodiless = method === 'HEAD'
  }

  /** @throws Error with what about it is no HTTP; nothing more can be read then. */
  *read(bytes: Buffer): Generator<Part, void, void> {
    let at = 0
    while (at < bytes.length && this.#state !== 'over') {
      if (this.#state === 'body to the end') {
        yield { body: bytes.subarray(at) }
        return
      }
      if (this.#state === 'body to its length' || this.#state === 'chunk') {
        const body = bytes.subarray(at, at + this.#left)
        at += body.length
        this.#left -= body.length
        yield { body }
        if (this.#left > 0) return
        this.#state = this.#state === 'chunk' ? 'end of a chunk' : 'over'
      } else {
        const feed = bytes.indexOf(0x0a, at)
        const end = feed === -1 ? bytes.length : feed
        this.#add(bytes.toString('latin1', at, end))
        if (feed === -1) return
        at = end + 1
        this.#lineBytes++
        const line = withoutReturns(this.#line)
        this.#line = ''
        const head = this.#take(line)
        if (head !== undefined) yield { head }
      }
      if (this.#isOver()) yield 'end'
    }
  }

  /**
   * To be told when the server has closed the connection.
   *
   * @throws Error if that is not the end of the answer.
   */
  *close(): Generator<Part, void, void> {
    const state = this.#state
    if (state === 'over') return
    if (state !== 'body to the end') {
      const isHead = state === 'status line' || state === 'headers'
      const when = isHead ? 'before it answered' : 'in the middle of its answer'
      throw new Error(`the server closed the connection ${when}`)
    }
    this.#state = 'over'
    yield 'end'
  }

  #isOver(): boolean {
    return this.#state === 'over'
  }

  #add(text: string): void {
    const begin = this.#line.length
    this.#line += text
    this.#lineBytes += text.length
    if (this.#lineBytes > MOST_LINE_BYTES)
      throw notHttp('more than 300 KB without an end of the head')
    // Whoever speaks another protocol may never end a line.
    const isFirst = this.#state === 'status line' && begin < 4
    if (isFirst && !'http'.startsWith(withoutReturns(this.#line.slice(0, 4)).toLowerCase()))
      throw notHttp(`it begins ${show(Buffer.from(this.#line, 'latin1'))}`)
  }

  #take(line: string): Head | undefined {
    switch (this.#state) {
      case 'status line':
        if (line !== '') this.#takeStatus(line)
        return undefined
      case 'headers':
        if (line === '') return this.#endHead()
        this.#takeHeader(line)
        return undefined
      case 'size of a chunk': {
        // Extensions and whatever else follows it are nobody's business.
        const size = /^[\da-f]{1,16}(?![\da-f])/i.exec(line)?.[0]
        if (size === undefined) throw notHttp(`${shown(line)} in place of a chunk's size`)
        this.#lineBytes = 0
        this.#left = Number.parseInt(size, 16)
        this.#state = this.#left === 0 ? 'trailers' : 'chunk'
        return undefined
      }
      case 'end of a chunk':
        if (line !== '') throw notHttp(`${shown(line)} behind a chunk`)
        this.#state = 'size of a chunk'
        return undefined
      default:
        // Trailers say nothing about the answer.
        if (line === '') this.#state = 'over'
        return undefined
    }
  }

  #takeStatus(line: string): void {
    const status = /^http(?:\/\d+(?:\.\d+)?)?[ \t]+([1-9]\d\d)(?!\d)/i.exec(line)?.[1]
    if (status === undefined) throw notHttp(`it begins ${shown(line)}`)
    this.#status = Number(status)
    this.#state = 'headers'
  }

  #takeHeader(line: string): void {
    if (line.includes('\0')) throw notHttp('a zero byte in its head')
    // Within a line, CR is a blank (RFC 9112, 2.2).
    const text = line.replaceAll('\r', ' ')
    if (text.startsWith(' ') || text.startsWith('\t')) {
      this.#values?.push(`${this.#values.pop()} ${trim(text)}`)
      return
    }
    const colon = text.indexOf(':')
    this.#values = undefined
    // As browsers: a line that is no header is none.
    if (colon === -1) return
    const name = trim(text.slice(0, colon)).toLowerCase()
    this.#values = this.#headers.get(name) ?? []
    this.#values.push(trim(text.slice(colon + 1)))
    this.#headers.set(name, this.#values)
  }

  #endHead(): Head | undefined {
    const head = { status: this.#status, headers: this.#headers }
    if (head.status < 200 && head.status !== 101) {
      this.#headers = new Map()
      this.#values = undefined
      this.#state = 'status line'
      return undefined
    }
    this.#lineBytes = 0
    this.#state = this.#bodyOf(head)
    return head
  }

  /** RFC 9112, 6.3. */
  #bodyOf({ status, headers }: Head): State {
    if (this.#bodiless || [101, 204, 304].includes(status)) return 'over'
    const said = headers.get('transfer-encoding') ?? []
    const codings =
      said
        .join()
        .toLowerCase()
        .match(/[^\s,]+/g) ?? []
    if (codings.at(-1) === 'chunked') return 'size of a chunk'
    const length = headers.get('content-length')?.at(-1)
    if (length === undefined || codings.some((coding) => coding !== 'identity'))
      return 'body to the end'
    const digits = /^\+?(\d+)/.exec(length)?.[1]
    if (digits === undefined) throw notHttp(`a length of ${shown(length)}`)
    this.#left = Number(digits)
    if (this.#left === 0) return 'over'
    return Number.isSafeInteger(this.#left) ? 'body to its length' : 'body to the end'
  }
}

/** By hand: expressions take the square of a long row of blanks. */
function trim(text: string): string {
  let from = 0
  let end = text.length
  while (from < end && isBlank(text, from)) from++
  while (end > from && isBlank(text, end - 1)) end--
  return text.slice(from, end)
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t'
}

function withoutReturns(line: string): string {
  let end = line.length
  while (end > 0 && line[end - 1] === '\r') end--
  return line.slice(0, end)
}

function shown(line: string): string {
  return show(Buffer.from(line, 'latin1'))
}

function notHttp(what: string): Error {
  return new Error(`not HTTP: ${what}`)
}
