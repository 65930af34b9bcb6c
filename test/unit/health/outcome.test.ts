import { expect, describe as group, it } from 'vitest'
import { rangeError } from '../../../src/errors.js'
import {
  CheckTimeoutError,
  classify,
  describe,
  describeAbort,
  Inconclusive,
} from '../../../src/health/outcome.js'

const failed = (code: string, syscall = 'connect') =>
  Object.assign(new Error(`${syscall} ${code} 10.1.0.1:53`), { code, syscall })

group('classify', () => {
  it('knows what another copy of the package has thrown', async () => {
    const path = '../../../src/health/outcome.ts?copy'
    const other: typeof import('../../../src/health/outcome.js') = await import(path)
    expect(other.Inconclusive).not.toBe(Inconclusive)
    const thrown = new other.Inconclusive('could not find out')
    expect(thrown).toBeInstanceOf(Inconclusive)
    expect(classify(thrown)).toBe('unknown')
    expect(new Error('no')).not.toBeInstanceOf(Inconclusive)
  })

  it.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EADDRINUSE'])(
    '%s is unknown',
    (code) => {
      expect(classify(failed(code))).toBe('unknown')
      expect(classify(new Error('fetch failed', { cause: failed(code) }))).toBe('unknown')
    },
  )

  it.each(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ETIMEDOUT', 'EPIPE', 'EACCES'])(
    '%s is a failure',
    (code) => {
      expect(classify(failed(code))).toBe('failure')
    },
  )

  it.each(['ENETUNREACH', 'ENETDOWN'])('%s is no route', (code) => {
    expect(classify(failed(code))).toBe('unreachable')
    expect(classify(new Error('wrapped', { cause: failed(code) }))).toBe('unreachable')
  })

  it('knows Inconclusive, at any depth, and takes anything else for a failure', () => {
    expect(classify(new Inconclusive('no lease'))).toBe('unknown')
    expect(classify(new Error('x', { cause: new Inconclusive('no lease') }))).toBe('unknown')
    expect(classify(new CheckTimeoutError(1))).toBe('failure')
    expect(classify(rangeError('options.port', 'from 1 to 65535', 0))).toBe('unknown')
    expect(classify('text')).toBe('failure')
    expect(classify(undefined)).toBe('failure')
  })

  it('survives a cause that leads back to itself', () => {
    const error = new Error('loop')
    error.cause = error
    expect(classify(error)).toBe('failure')
  })
})

group('describe', () => {
  it.each([
    [failed('ECONNREFUSED'), 'connection refused'],
    [failed('EHOSTUNREACH'), 'host is unreachable'],
    [failed('EMFILE'), 'too many open files (EMFILE), on our side'],
    [new Error('greeting 554'), 'greeting 554'],
    // Not of Node: the message is the caller's.
    [Object.assign(new Error('broken'), { code: 'ECONNREFUSED' }), 'broken'],
    [new TypeError(), 'TypeError'],
    ['text', "the check threw 'text'"],
    [Object.create(null), 'the check threw [Object: null prototype] {}'],
  ])('%o: %s', (error, words) => {
    expect(describe(error)).toBe(words)
  })

  it('tells the reasons of an abort apart', () => {
    expect(describeAbort(AbortSignal.abort(new CheckTimeoutError(500)))).toBe(
      'no answer within 500 ms',
    )
    expect(describeAbort(AbortSignal.abort(new DOMException('x', 'TimeoutError')))).toBe(
      'no answer in time',
    )
    expect(describeAbort(AbortSignal.abort())).toBe('stopped')
  })
})
