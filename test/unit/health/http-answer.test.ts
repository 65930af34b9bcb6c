// The reader of HTTP answers by itself: what it takes, however it comes, and that nothing makes it throw, hang or grow.
import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { HttpAnswer } from '../../../src/health/checks/http-answer.js'

interface Read {
  readonly status?: number
  readonly headers?: Readonly<Record<string, readonly string[]>>
  readonly body?: string
  /** Whether all of it has come. */
  readonly whole?: true
  readonly wrong?: string
}

/** What comes of these pieces, and of the end of the connection after them. */
function read(pieces: Iterable<Buffer>, method = 'GET', closes = true): Read {
  const answer = new HttpAnswer(method)
  let said: Read = {}
  const take = (parts: ReturnType<HttpAnswer['read']>) => {
    for (const part of parts) {
      if (part === 'end') said = { ...said, whole: true }
      else if ('head' in part) {
        const { status, headers } = part.head
        said = { ...said, status, headers: Object.fromEntries(headers), body: '' }
      } else said = { ...said, body: said.body + part.body.toString('latin1') }
    }
  }
  try {
    for (const piece of pieces) take(answer.read(piece))
    if (closes) take(answer.close())
  } catch (error) {
    return { ...said, wrong: (error as Error).message }
  }
  return said
}

const bytes = (text: string) => Buffer.from(text, 'latin1')
const whole = (text: string, method?: string) => read([bytes(text)], method)

/** Cut after so many bytes, and so many, until all of it is used up. */
function* cut(all: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < all.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    yield all.subarray(at, at + size)
    at += size
  }
}

describe('what clients take', () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n'
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

  // Each was given to curl 7.88, which takes it, unless it says otherwise.
  it.each([
    ['an answer as it should be', `${head}\r\nyes`],
    ['lines that end in LF', 'HTTP/1.1 200 OK\nContent-Length: 3\n\nyes'],
    ['lines that end in CR, CR, LF', 'HTTP/1.1 200 OK\r\r\nContent-Length: 3\r\r\n\r\r\nyes'],
    ['CR within a header', `${head}A: b\rc\r\n\r\nyes`],
    ['control bytes, and bytes over 127', `${head}A: \x01\x07\x7f\xa0\xff\r\n\r\nyes`],
    ['a folded header', `${head}A: b\r\n\tc\r\n d\r\n\r\nyes`],
    [
      'a fold before any header (browsers)',
      'HTTP/1.1 200 OK\r\n b\r\nContent-Length: 3\r\n\r\nyes',
    ],
    ['a line that is no header (browsers)', `${head}what is this\r\n\r\nyes`],
    ['a header without a name', `${head}: b\r\n\r\nyes`],
    ['a header without a value', `${head}A:\r\n\r\nyes`],
    ['blanks around a header', 'HTTP/1.1 200 OK\r\nContent-Length \t:   3 \t \r\n\r\nyes'],
    ['any case', 'http/1.1 200 ok\r\ncontent-LENGTH: 3\r\n\r\nyes'],
    ['two equal lengths', `${head}Content-Length: 3\r\n\r\nyes`],
    ['two equal lengths in one line', 'HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nyes'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 3\r\n\r\nyes'],
    ['a length with something behind it', 'HTTP/1.1 200 OK\r\nContent-Length: +3 bytes\r\n\r\nyes'],
    [
      'a length beyond all numbers',
      `HTTP/1.1 200 OK\r\nContent-Length: ${'9'.repeat(40)}\r\n\r\nyes`,
    ],
    ['more than the length', `${head}\r\nyes, and more\r\nHTTP/1.1 500 No\r\n\r\n`],
    ['no length', 'HTTP/1.0 200 OK\r\n\r\nyes'],
    ['no reason', 'HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nyes'],
    ['no blank before the reason', 'HTTP/1.1 200OK\r\nContent-Length: 3\r\n\r\nyes'],
    ['two blanks before the status', 'HTTP/1.1   200 OK\r\nContent-Length: 3\r\n\r\nyes'],
    ['version 2 in the words of version 1', 'HTTP/2 200\r\nContent-Length: 3\r\n\r\nyes'],
    ['no version (browsers)', 'HTTP 200 OK\r\nContent-Length: 3\r\n\r\nyes'],
    ['empty lines first (browsers)', `\r\n\n${head}\r\nyes`],
    [
      'answers that are none yet',
      `HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n${head}\r\nyes`,
    ],
    ['chunks', `${chunked}1\r\ny\r\n2\r\nes\r\n0\r\n\r\n`],
    ['chunks with lines that end in LF', `${chunked}1\ny\n2\nes\n0\n\n`],
    [
      'chunks beside a length',
      `HTTP/1.1 200 OK\r\nContent-Length: 77\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n`,
    ],
    ['extensions and trailers', `${chunked}3;a="b;c"\r\nyes\r\n0;d\r\nTrailer: e\r\nF: g\r\n\r\n`],
    ['blanks behind the size of a chunk', `${chunked}3   \r\nyes\r\n0  \r\n\r\n`],
    ['zeros before it', `${chunked}0000000000000003\r\nyes\r\n00000\r\n\r\n`],
    [
      'chunks in version 1.0',
      'HTTP/1.0 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n',
    ],
    [
      'chunked, said twice',
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n`,
    ],
    ['identity', `${head}Transfer-Encoding: identity\r\n\r\nyes`],
    ['a header of 290 KB', `${head}A: ${'b'.repeat(290_000)}\r\n\r\nyes`],
    [
      'another coding, up to the end',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\nyes',
    ],
  ])('%s', (_, text) => {
    for (const pieces of [[text.length], [1], [7, 1]]) {
      const said = read(cut(bytes(text), pieces))
      expect(said).toMatchObject({ status: 200, body: 'yes', whole: true })
      expect(said.wrong).toBeUndefined()
    }
  })

  it.each([
    ['after HEAD', `${head}\r\n`, 'HEAD', 200],
    ['with status 204', 'HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n', 'GET', 204],
    ['with status 304', 'HTTP/1.1 304 No\r\nContent-Length: 3\r\n\r\n', 'GET', 304],
    ['with length 0', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'GET', 200],
    ['before something else', 'HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n', 'GET', 101],
  ])('no body %s, whatever follows', (_, text, method, status) => {
    expect(read([bytes(`${text}none of it`)], method, false)).toMatchObject({
      status,
      body: '',
      whole: true,
    })
  })

  it('headers by their lines, folds joined, blanks cut off', () => {
    const text = 'HTTP/1.1 200 OK\r\nA:  b\tc \r\nX: 1\r\na : d\r\n  e \r\n__proto__: f\r\n\r\n'
    const { headers } = whole(text)
    expect(Object.entries(headers ?? {})).toEqual([
      ['a', ['b\tc', 'd e']],
      ['x', ['1']],
      ['__proto__', ['f']],
    ])
  })
})

describe('what no client takes', () => {
  const status = (text: string) => `HTTP/1.1 200 OK\r\n${text}`
  const chunks = (text: string) => status(`Transfer-Encoding: chunked\r\n\r\n${text}`)

  it.each([
    ['another protocol', '220 mail ESMTP\r\n', 'not HTTP: it begins "220 mail ESMTP\\r"'],
    ['one without lines', '\x00\x01\x02', 'not HTTP: it begins bytes 000102'],
    ['a blank first', ' HTTP/1.1 200 OK\r\n\r\n', 'not HTTP: it begins " HTTP/1.1 200 OK\\r"'],
    ['no status', 'HTTP/1.1 OK\r\n', 'not HTTP: it begins "HTTP/1.1 OK"'],
    ['half a status', 'HTTP/1.1 20\r\n', 'not HTTP: it begins "HTTP/1.1 20"'],
    ['a status of four digits', 'HTTP/1.1 2000\r\n', 'not HTTP: it begins "HTTP/1.1 2000"'],
    ['a status below 100', 'HTTP/1.1 099\r\n', 'not HTTP: it begins "HTTP/1.1 099"'],
    ['a zero byte', status('A: \0\r\n\r\n'), 'not HTTP: a zero byte in its head'],
    ['a length in words', status('Content-Length: three\r\n\r\n'), 'not HTTP: a length of "three"'],
    ['a length below 0', status('Content-Length: -1\r\n\r\n'), 'not HTTP: a length of "-1"'],
    ['no size of a chunk', chunks('yes\r\n'), 'not HTTP: "yes" in place of a chunk\'s size'],
    ['more than its size', chunks('2\r\nyes\r\n'), 'not HTTP: "s" behind a chunk'],
    [
      'a size of 17 digits',
      chunks(`${'f'.repeat(17)}\r\n`),
      `not HTTP: "${'f'.repeat(17)}" in place of a chunk's size`,
    ],
    [
      'an endless head',
      status(`A: ${'b'.repeat(310_000)}`),
      'not HTTP: more than 300 KB without an end of the head',
    ],
    [
      'endless headers',
      status('A: b\r\n'.repeat(60_000)),
      'not HTTP: more than 300 KB without an end of the head',
    ],
    [
      'endless hints',
      'HTTP/1.1 103 Hints\r\n\r\n'.repeat(20_000),
      'not HTTP: more than 300 KB without an end of the head',
    ],
    [
      'endless trailers',
      chunks(`0\r\n${'A: b\r\n'.repeat(60_000)}`),
      'not HTTP: more than 300 KB without an end of the head',
    ],
  ])('%s', (_, text, wrong) => {
    expect(whole(text).wrong).toBe(wrong)
    expect(read(cut(bytes(text), [511])).wrong).toMatch(/^not HTTP: /)
  })

  it.each([
    ['nothing', '', 'before it answered'],
    ['half a status line', 'HTTP/1.', 'before it answered'],
    ['half a head', status('Content-Length: 3\r\n'), 'before it answered'],
    ['hints only', 'HTTP/1.1 103 Hints\r\n\r\n', 'before it answered'],
    ['half a body', status('Content-Length: 3\r\n\r\nye'), 'in the middle of its answer'],
    ['half a chunk', chunks('3\r\nye'), 'in the middle of its answer'],
    ['no last chunk', chunks('3\r\nyes\r\n'), 'in the middle of its answer'],
    ['no end of the trailers', chunks('3\r\nyes\r\n0\r\n'), 'in the middle of its answer'],
  ])('%s, and the end', (_, text, when) => {
    expect(whole(text).wrong).toBe(`the server closed the connection ${when}`)
  })
})

// --- by chance

const lineEnd = fc.constantFrom('\r\n', '\n', '\r\r\n')
const blanks = fc.constantFrom('', ' ', '\t', '  ')
const token = fc
  .stringMatching(/^[a-z][a-z0-9-]{0,9}$/)
  .filter((name) => !/^(content-length|transfer-encoding)$/.test(name))
const value = fc
  .stringMatching(/^([!-~\x80-\xff][ -~\x80-\xff]{0,20})?$/)
  .map((text) => text.replace(/[ \x85\xa0]/g, '.'))
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })

/** An answer as a lenient server may write it, and what it says. */
const answers = fc
  .record({
    status: fc.integer({ min: 200, max: 599 }).filter((status) => ![204, 304].includes(status)),
    hints: fc.integer({ min: 0, max: 2 }),
    headers: fc.array(fc.tuple(token, value, blanks, blanks, fc.boolean()), { maxLength: 6 }),
    body: fc.array(fc.uint8Array({ minLength: 1, maxLength: 30 }), { maxLength: 5 }),
    framing: fc.constantFrom('length', 'chunks', 'end'),
    end: fc.infiniteStream(lineEnd),
    name: fc.constantFrom('HTTP/1.1', 'http/1.0', 'HTTP/2', 'Http/1.1'),
    cases: fc.infiniteStream(fc.boolean()),
    more: fc.string(),
    zeros: fc.constantFrom('', '0', '000'),
    extension: fc.constantFrom('', ' ', ';a=b', '\t;"'),
  })
  .map(({ status, hints, headers, body, framing, end, name, cases, more, zeros, extension }) => {
    const eol = () => end.next().value
    const inAnyCase = (text: string) => (cases.next().value ? text.toUpperCase() : text)
    const latin = body.map((part) => Buffer.from(part).toString('latin1'))
    const said: [string, string][] = []
    let text = `${name} 103 Hints${eol()}X: y${eol()}${eol()}`.repeat(hints)
    text += `${name} ${status} Words${eol()}`
    for (const [key, content, before, after, fold] of headers) {
      text += `${inAnyCase(key)}${before}:${after}${content}${before}${eol()}`
      if (fold) text += ` \tmore${after}${eol()}`
      said.push([key, fold ? `${content} more` : content])
    }
    const length = latin.join('').length
    if (framing === 'length')
      text += `${inAnyCase('content-length')} : ${length}${eol()}${eol()}${latin.join('')}${more}`
    else if (framing === 'end') text += `${eol()}${latin.join('')}`
    else {
      text += `${inAnyCase('transfer-encoding')}: ${inAnyCase('chunked')}${eol()}${eol()}`
      for (const part of latin)
        text += `${zeros}${inAnyCase(part.length.toString(16))}${extension}${eol()}${part}${eol()}`
      text += `0${extension}${eol()}Trailer: a${eol()}${eol()}${more}`
    }
    return { text, status, said, body: latin.join('') }
  })

test('an answer written in any of these ways is read as it is meant, however it is cut', () => {
  fc.assert(
    fc.property(answers, sizes, ({ text, status, said, body }, sizes) => {
      const seen = read(cut(bytes(text), sizes))
      expect(seen.wrong).toBeUndefined()
      expect(seen).toMatchObject({ status, body, whole: true })
      for (const [name, content] of said) expect(seen.headers?.[name]).toContain(content)
    }),
    { numRuns: 500 },
  )
})

/** Bytes that are nearly HTTP, and bytes that are not at all. */
const noise = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((all) => Buffer.from(all)),
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          'HTTP/1.1 ',
          '200',
          ' ',
          '\r\n',
          '\n',
          '\r',
          ':',
          'Content-Length: ',
          'Transfer-Encoding: chunked',
          '\0',
          '\t',
          'fffffffffffffff',
          '0',
        ),
        fc.string({ maxLength: 5 }),
      ),
      { maxLength: 40 },
    )
    .map((all) => bytes(`HTTP/1.1 200 OK\r\n${all.join('')}`)),
  fc.tuple(answers, fc.nat(), fc.uint8Array({ maxLength: 3 })).map(([{ text }, at, other]) => {
    const all = bytes(text)
    const place = at % all.length
    return Buffer.concat([all.subarray(0, place), other, all.subarray(place + 1)])
  }),
)

test('whatever comes, it says the same of it however it is cut, and throws nothing but what is wrong', () => {
  fc.assert(
    fc.property(noise, sizes, (all, sizes) => {
      const once = read([all])
      const cutUp = read(cut(all, sizes))
      if (once.wrong === undefined) expect(cutUp).toEqual(once)
      // How much of the beginning is shown depends on how much has come.
      else
        expect(cutUp).toEqual({
          ...once,
          wrong: expect.stringMatching(/^(not HTTP: |the server closed)/),
        })
    }),
    { numRuns: 1000 },
  )
})

test.each([
  ['a line without an end', 'HTTP/1.1 200 OK\r\nA: ', 'b'],
  ['blanks without an end', 'HTTP/1.1 200 OK\r\nA: ', ' '],
  ['CR without an end', 'HTTP/1.1 200 OK\r\nA: ', '\r'],
  ['headers without an end', 'HTTP/1.1 200 OK\r\n', 'A: b\r\n'],
  ['folds without an end', 'HTTP/1.1 200 OK\r\nA: b\r\n', ' \r\n'],
  ['a status line without an end', 'HTTP/1.', '1'],
  ['chunks without an end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\nx\r\n'],
  ['an extension without an end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1', ';a'],
  ['a body without an end', 'HTTP/1.1 200 OK\r\n\r\n', 'x'],
])('%s takes time that grows with its length, byte by byte too', (_, begin, more) => {
  const take = (length: number) => {
    const all = bytes(begin + more.repeat(length / more.length))
    const from = process.cpuUsage()
    read(cut(all, [1]))
    return process.cpuUsage(from).user / 1000
  }
  take(60_000)
  // Four times as much; the square would be sixteen. Short times are counted in the kernel's ticks.
  expect(take(240_000)).toBeLessThan(8 * take(60_000) + 300)
})
