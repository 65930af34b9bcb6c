// Classes are by the words of real checks: who changes those sees it here.
import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/index.js'
import { failureClass } from '../../../src/metrics/failure-class.js'
import { connected, outOfTime, serve } from '../health/loopback.js'

describe('the class of a failure', () => {
  const failed = (check: Promise<unknown>) =>
    check.then(
      () => 'it did not fail',
      (error: Error) => failureClass(error.message),
    )
  const signal = new AbortController().signal

  it('is timeout where no answer comes', async () => {
    const { member } = await serve({ tcp: (socket) => socket.resume() })
    expect(failureClass(await outOfTime(checks.redis(), member, connected))).toBe('timeout')
  })

  it('is refused where nobody listens', async () => {
    const { member } = await serve({})
    expect(await failed(checks.tcp()(member, { signal }))).toBe('refused')
    expect(await failed(checks.http()(member, { signal }))).toBe('refused')
  })

  it('is closed where the connection ends too early', async () => {
    const { member } = await serve({ tcp: (socket) => socket.destroy() })
    expect(await failed(checks.redis()(member, { signal }))).toBe('closed')
    expect(await failed(checks.http()(member, { signal }))).toBe('closed')
  })

  it('is tls where it is not spoken', async () => {
    const { member } = await serve({ tcp: (socket) => socket.end('220 hello\r\n') })
    expect(await failed(checks.tls()(member, { signal }))).toBe('tls')
  })

  it('is answer where it is not the one that was asked for', async () => {
    const { member } = await serve({
      tcp: (socket) => socket.end('HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n'),
    })
    expect(await failed(checks.http()(member, { signal }))).toBe('answer')
  })

  it('is unreachable, or whatever else, by the words of the system', () => {
    expect(failureClass('tcp 10.1.0.1:53: host is unreachable')).toBe('unreachable')
    expect(failureClass('icmp 10.1.0.1: network is unreachable')).toBe('unreachable')
    expect(failureClass('exit status 2: disk full')).toBe('answer')
  })
})
