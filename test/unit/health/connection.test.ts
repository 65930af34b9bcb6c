import { describe, expect, it } from 'vitest'
import { withConnection } from '../../../src/health/checks/connection.js'
import { readTls } from '../../../src/health/checks/tls-client.js'
import { makeCertificate } from './certificate.js'
import { nothingLeftOpen, outcomeOf, serve } from './loopback.js'
import { overTls } from './tls-server.js'

const { signal } = new AbortController()
const tls = readTls(true, 'tls')
const certificate = makeCertificate({ name: 'www.example.org' })

describe('withConnection', () => {
  it.each([
    ['TCP', undefined],
    ['TLS', tls],
  ])('turns what is thrown in the talk into a failure, over %s', async (_name, client) => {
    const { member } = await serve({
      tcp: client === undefined ? () => {} : overTls(certificate),
    })
    const talk = () => {
      throw new Error('a slip')
    }
    const plan = { endpoint: member, tls: client, label: 'x', signal }
    expect(await outcomeOf(withConnection(plan, talk))).toBe('x: a slip')
    await nothingLeftOpen()
  })

  it('begins TLS in the middle of a talk', async () => {
    const { member } = await serve({
      tcp: (socket, server) => {
        socket.write('220 ready\r\n')
        socket.once('data', () => {
          socket.write('220 go ahead\r\n', () =>
            overTls(certificate, (secure) =>
              secure.on('data', (data) => secure.write(`echo ${data}`)),
            )(socket, server),
          )
        })
      },
    })
    const said = withConnection<{ detail: string }>(
      { endpoint: member, label: 'x', signal },
      (socket, { startTls, succeed }) => {
        socket.once('data', () => {
          socket.write('STARTTLS\r\n')
          socket.once('data', () => {
            if (tls === undefined) throw new Error('no TLS')
            startTls(tls, (secure) => {
              secure.write('hello')
              secure.once('data', (data) => succeed({ detail: String(data) }))
            })
          })
        })
      },
    )
    expect(await outcomeOf(said)).toBe('healthy: echo hello')
    await nothingLeftOpen()
  })

  it('leaves nothing open when servers hang up in the middle, by the hundred', async () => {
    const { member } = await serve({
      tcp: overTls(certificate, (secure) =>
        secure.once('data', () => {
          secure.write(Buffer.alloc(100_000))
          if (Math.random() < 0.5) secure.end()
          else secure.destroy()
        }),
      ),
    })
    const one = () =>
      outcomeOf(
        withConnection<void>(
          { endpoint: member, tls, label: 'x', signal: new AbortController().signal },
          (socket, control) => {
            socket.write('x')
            socket.on('data', () => {})
            socket.once('end', () => control.fail(new Error('ended')))
          },
        ),
      )
    for (let round = 0; round < 5; round++) {
      const said = await Promise.all(Array.from({ length: 20 }, one))
      for (const reason of said)
        expect(reason).toMatch(/^x: (ended|connection reset by peer|TLS: )/)
    }
    await nothingLeftOpen()
  })
})
