// TLS in the middle of a dialogue, and from its start: what is the same for every protocol.
import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { makeCertificate } from './certificate.js'
import { type Client, outOfTime, run, serve } from './loopback.js'
import { scripted } from './script.js'
import { overTls } from './tls-server.js'

describe('over TLS', () => {
  const certificate = makeCertificate({ name: 'mail.test' })
  /** Greets and answers in plain text until `begin`, then in TLS; what was said in either. */
  async function upgrading(greeting: string, begin: RegExp, go: string, answer: string) {
    const said: string[] = []
    const server = await serve({
      tcp: (socket, self) => {
        socket.write(greeting)
        socket.on('data', function plain(data) {
          said.push(String(data))
          if (!begin.test(String(data))) return void socket.write(answer)
          socket.off('data', plain)
          socket.write(go)
          overTls(certificate, (secure) => {
            secure.on('data', (text) => {
              said.push(`TLS ${text}`)
              secure.write(answer)
            })
          })(socket, self)
        })
      },
    })
    return { ...server, said }
  }

  it.each([
    {
      check: checks.smtp({ startTls: { ca: certificate.cert, serverName: 'mail.test' } }),
      server: () => upgrading('220 hi\r\n', /^STARTTLS/, '220 go\r\n', '250 ok\r\n'),
      said: ['EHLO [127.0.0.1]\r\n', 'STARTTLS\r\n', 'TLS EHLO [127.0.0.1]\r\n', 'TLS QUIT\r\n'],
    },
    {
      check: checks.pop3({ startTls: true }),
      server: () => upgrading('+OK hi\r\n', /^STLS/, '+OK go\r\n', '+OK bye\r\n'),
      said: ['STLS\r\n', 'TLS QUIT\r\n'],
    },
    {
      check: checks.imap({ startTls: true }),
      server: () => upgrading('* OK hi\r\n', /^a0/, 'a0 OK go\r\n', 'a1 OK done\r\n'),
      said: ['a0 STARTTLS\r\n', 'TLS a1 NOOP\r\n', 'TLS a2 LOGOUT\r\n'],
    },
  ])('begins TLS when granted, and says the rest in it: $said', async ({ check, server, said }) => {
    const at = await server()
    expect(await run(check, at.member)).toMatch(/^healthy: greeting/)
    await expect.poll(() => at.said).toEqual(said)
  })

  it('fails when TLS is not granted', async () => {
    const { member } = await scripted({
      first: true,
      turns: ['220 hi\r\n', '250 ok\r\n', '454 TLS not available\r\n'],
    })
    expect(await run(checks.smtp({ startTls: true }), member)).toBe(
      'smtp HOST: answered "454 TLS not available" to STARTTLS, expected 220',
    )
  })

  it('takes nothing for an answer that came before TLS began', async () => {
    const { member } = await scripted({
      first: true,
      turns: ['220 hi\r\n', '250 ok\r\n', '220 go\r\n250 injected\r\n'],
    })
    expect(await run(checks.smtp({ startTls: true }), member)).toBe(
      'smtp HOST: sent "250 injected\\r\\n" after the answer that begins TLS',
    )
  })

  it('says when the handshake is what is missing', async () => {
    const turns = ['220 hi\r\n', '250 ok\r\n', '220 go\r\n']
    const server = await scripted({ first: true, turns })
    const toldToBegin = ({ bytes }: Client) => bytes === turns.join('').length
    expect(await outOfTime(checks.smtp({ startTls: true }), server.member, toldToBegin)).toBe(
      'smtp HOST: no answer within 80 ms (no TLS handshake)',
    )
    const plain = await scripted({ first: true, turns: ['220 hi\r\n'] })
    expect(await run(checks.smtp({ tls: true }), plain.member)).toMatch(/^smtp HOST: TLS: /)
  })

  it('speaks TLS from the start, to a dialogue of our own too, and says its last words', async () => {
    const said: string[] = []
    const { member } = await serve({
      tcp: overTls(certificate, (secure) => {
        secure.write('220 hi\r\n')
        secure.on('data', (data) => said.push(String(data)))
      }),
    })
    const check = checks.expect({ dialogue: [{ expect: '220' }, { send: 'QUIT\r\n' }], tls: true })
    expect(await run(check, member)).toBe('healthy: answered "220 hi"')
    await expect.poll(() => said).toEqual(['QUIT\r\n'])
    const stranger = checks.expect({ dialogue: [{ expect: '220' }], tls: { verify: true } })
    expect(await run(stranger, member)).toMatch(/^expect HOST: certificate: /)
  })
})
