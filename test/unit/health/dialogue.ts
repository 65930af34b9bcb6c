// What every check that is a dialogue has in common; what is special to one is in its own test.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import type { Check } from '../../../src/health/types.js'
import { type CheckName, optionNames } from './builtin.js'
import { client, connected, outOfTime, run, serve } from './loopback.js'
import { type Bytes, pieces, type Script, scripted } from './script.js'

export interface Dialogue {
  readonly check: Check
  readonly healthy: Script
  readonly detail: string
  /** All that a healthy server is sent. */
  readonly sent: Bytes
  /** What is waited for at first. */
  readonly awaited: string
  /** Answers at each turn that are wrong, and the reason. */
  readonly wrong: readonly (readonly [turns: readonly Bytes[], reason: string])[]
}

export function behavesAsDialogue(name: CheckName, dialogue: Dialogue): void {
  const make: (options: never) => Check = checks[name]
  describe(`checks.${name}, a dialogue,`, () => {
    const { check, healthy, detail, awaited } = dialogue

    it('is healthy when the server answers as it should', async () => {
      const server = await scripted(healthy)
      expect(await run(check, server.member)).toBe(`healthy: ${detail}`)
      // The last thing it says is not waited for.
      await expect.poll(() => server.sent()).toEqual(Buffer.from(dialogue.sent as Uint8Array))
    })

    it('works one byte at a time', async () => {
      const { member } = await scripted(healthy, (bytes) => pieces(bytes, [1]))
      expect(await run(check, member)).toBe(`healthy: ${detail}`)
    })

    it('says refused', async () => {
      const { member } = await serve({})
      expect(await run(check, member)).toBe(`${name} HOST: connection refused`)
    })

    it('says what it waits for when the server is silent', async () => {
      const { member } = await serve({ tcp: (socket) => socket.resume() })
      expect(await outOfTime(check, member, connected)).toBe(
        `${name} HOST: no answer within 80 ms (waiting for ${awaited})`,
      )
    })

    it('says when the time is up in the middle of an answer', async () => {
      const half = Buffer.from(healthy.turns[0] as Uint8Array).subarray(0, 3)
      const { member } = await scripted({ ...healthy, turns: [half] })
      expect(await outOfTime(check, member, ({ bytes }) => bytes === half.length)).toContain(
        `${name} HOST: no answer within 80 ms (waiting for ${awaited}, so far `,
      )
    })

    it('says when the answer comes too late, and takes it in time', async () => {
      /** Answers what it has been asked when told. */
      const hesitant = async () => {
        const due: (() => void)[] = []
        const server = await serve({
          tcp: (socket) => {
            const turns = [...healthy.turns]
            const next = () =>
              due.push(() => socket.write(Buffer.from((turns.shift() ?? '') as Uint8Array)))
            if (healthy.first) next()
            socket.on('data', next)
          },
        })
        return { ...server, due }
      }
      const late = await hesitant()
      expect(await outOfTime(check, late.member, connected)).toContain('no answer within 80 ms')
      for (const answer of late.due) answer()
      const slow = await hesitant()
      const said = run(check, slow.member)
      for (const _ of healthy.turns) {
        await expect.poll(() => slow.due.length).toBe(1)
        slow.due.shift()!()
      }
      expect(await said).toBe(`healthy: ${detail}`)
    })

    it('says when the server closes or resets the connection', async () => {
      const half = Buffer.from(healthy.turns[0] as Uint8Array).subarray(0, 3)
      const closed = await serve({ tcp: (socket) => void socket.end() })
      expect(await run(check, closed.member)).toMatch(
        new RegExp(`^${name} HOST: (the server closed the connection|connection reset by peer)`),
      )
      const reset = await serve({ tcp: (socket) => void socket.write(half) })
      const said = run(check, reset.member)
      await expect.poll(() => client.bytes).toBe(half.length)
      for (const socket of reset.connections) socket.resetAndDestroy()
      expect(await said).toMatch(
        new RegExp(`^${name} HOST: connection reset by peer \\(waiting for .*, so far `),
      )
    })

    it('keeps no more than it needs of a server that never stops', async () => {
      const { member } = await serve({
        tcp: (socket) => {
          const more = () => {
            if (!socket.destroyed) socket.write(Buffer.alloc(65_536, '* '), more)
          }
          more()
        },
      })
      expect(await run(check, member)).toMatch(/more than 16384 bytes|expected/)
    })

    it.each(dialogue.wrong)('says what is wrong about %j', async (turns, reason) => {
      const { member } = await scripted({ ...healthy, turns })
      expect(await run(check, member)).toMatch(new RegExp(`^${name} HOST: .*${literally(reason)}$`))
    })

    it('judges the same however the bytes are split', async () => {
      const turns = fc.constantFrom(healthy.turns, ...dialogue.wrong.map(([wrong]) => wrong))
      const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 12 })
      await fc.assert(
        fc.asyncProperty(turns, sizes, async (lines, cuts) => {
          const server = await scripted({ ...healthy, turns: lines }, (bytes) =>
            pieces(bytes, cuts),
          )
          const reason = dialogue.wrong.find(([wrong]) => wrong === lines)?.[1]
          const said = await run(check, server.member)
          if (reason === undefined) expect(said).toBe(`healthy: ${detail}`)
          // What was shown of a binary protocol, or of none, is what had come by then.
          else expect(said).toMatch(new RegExp(`^${name} HOST: (answered|speaks)`))
          await server.close()
        }),
        { numRuns: 30 },
      )
    })

    it.each([
      [{ port: 0 }, 'options.port'],
      [{ prot: 25 }, 'options.prot'],
      [{ connect: { address: 'localhost', port: 1 } }, 'options.connect.address'],
    ])('refuses %j', (options, option) => {
      expect(() => make(options as never)).toThrow(
        expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
      )
    })
    if (optionNames(make).includes('startTls')) {
      it('refuses TLS from the start and in the middle at once', () => {
        const both = { tls: true, startTls: true }
        expect(() => make(both as never)).toThrow(
          expect.objectContaining({ option: 'options.startTls' }),
        )
        expect(make({ ...both, tls: false } as never)).toBeTypeOf('function')
      })
    }
  })
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
