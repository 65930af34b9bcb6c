// checks.http: what a JSON body must have, and the weight that an answer names.
import { describe, expect, it } from 'vitest'
import { checks, type HttpCheckOptions } from '../../../src/health/checks/index.js'
import { outcomeOf, run, serve } from './loopback.js'

const answering = (body: string, ...headers: string[]) =>
  serve({
    tcp: (socket) =>
      socket.once('data', () =>
        socket.write(
          [
            'HTTP/1.1 200 OK',
            ...headers,
            `Content-Length: ${Buffer.byteLength(body)}`,
            '',
            body,
          ].join('\r\n'),
        ),
      ),
  })

describe('expectJson', () => {
  const document = JSON.stringify({
    state: 'ready',
    'a.b': 1,
    db: { up: true, lag: 0.25, name: null },
    queues: [{ full: false }, 'idle'],
    length: 3,
  })
  it.each([
    [{ state: 'ready' }, undefined],
    [{ state: 'down' }, 'state is "ready", expected "down"'],
    [{ 'db.up': true, 'db.name': null, 'queues.0.full': false, 'queues.1': 'idle' }, undefined],
    [{ 'db.up': 'true' }, 'db.up is "true", expected "true"'],
    [{ 'db.up': false }, 'db.up is "true", expected false'],
    [{ 'db.lag': 0.5 }, 'db.lag is "0.25", expected 0.5'],
    [{ 'db.lag': /^0\./g }, undefined],
    [{ db: /./ }, 'db is "{ up: true, lag: 0.25, name: null }", expected /./'],
    [{ 'db.lag': (lag: unknown) => Number(lag) < 1 }, undefined],
    [{ 'db.lag': () => false }, 'db.lag is "0.25", not what is expected'],
    [{ 'db.lag': () => 'too slow' }, 'db.lag is "0.25", too slow'],
    [{ 'a.b': 1 }, 'no a.b'],
    [{ 'queues.2': 'idle' }, 'no queues.2'],
    [{ 'queues.length': 2 }, 'no queues.length'],
    [{ length: 3 }, undefined],
    [{ 'state.length': 5 }, 'no state.length'],
    [{ 'db.constructor': /./ }, 'no db.constructor'],
    [{ 'db.name.x': null }, 'no db.name.x'],
  ] as [NonNullable<HttpCheckOptions['expectJson']>, string | undefined][])(
    '%j: %s',
    async (expectJson, wrong) => {
      const { member } = await answering(document)
      const check = checks.http({ expectJson })
      for (let time = 0; time < 2; time++) {
        expect(await run(check, member)).toBe(
          wrong === undefined ? 'healthy: status 200' : `http HOST: body: ${wrong}`,
        )
      }
    },
  )

  it('wants JSON, whole', async () => {
    const expectJson = { state: 'ready' }
    const check = checks.http({ expectJson })
    const page = await answering('<html>')
    expect(await run(check, page.member)).toBe('http HOST: body: no JSON: "<html>"')
    const nothing = await answering('')
    expect(await run(check, nothing.member)).toBe('http HOST: body: no JSON: an empty answer')
    const marked = await answering(`\ufeff${document}`)
    expect(await run(check, marked.member)).toBe('healthy: status 200')
    const cut = checks.http({ expectJson, maxBodyBytes: 20 })
    expect(await run(cut, marked.member)).toMatch(/^http HOST: body: no JSON: /)
    const deep = await answering('['.repeat(60_000))
    expect(await run(check, deep.member)).toMatch(/^http HOST: body: no JSON: /)
  })

  it('is judged beside a text, which is not enough then', async () => {
    const { member } = await answering(document)
    const check = checks.http({ body: 'ready', expectJson: { 'db.up': false } })
    expect(await run(check, member)).toMatch(/^http HOST: body: db\.up is /)
    const other = checks.http({ body: 'unready', expectJson: { 'db.up': true } })
    expect(await run(other, member)).toMatch(/^http HOST: body: no "unready" in /)
  })
})

describe('weight', () => {
  const body = JSON.stringify({ load: { cpu: 0.5, text: '30', wrong: 'high', none: -1 } })
  const answer = () => answering(body, 'X-Weight: 30', 'X-Weight: 75', 'X-Load: 1e3', 'X-No: -1')
  it.each([
    [{ header: 'X-Weight', max: 100 }, 0.75, 'weight 75 of 100'],
    [{ header: 'x-weight', max: 50 }, 1, 'weight 75 of 50'],
    [{ json: 'load.cpu' }, 0.5, 'weight 0.5 of 1'],
    [{ json: 'load.text', max: 40 }, 0.75, 'weight 30 of 40'],
    [{ body: /"cpu":([\d.]+)/g, max: 2 }, 0.25, 'weight 0.5 of 2'],
    [{ body: /\d\d/, max: 60 }, 0.5, 'weight 30 of 60'],
  ] as [HttpCheckOptions['weight'], number, string][])('%j: %d', async (weight, factor, detail) => {
    const { member } = await answer()
    const check = checks.http({ weight })
    for (let time = 0; time < 2; time++) {
      expect(await check(member, { signal: new AbortController().signal })).toEqual({
        detail: `status 200, ${detail}`,
        weightFactor: factor,
      })
    }
  })

  it.each([
    [{ header: 'x-other' }, 'weight: no header x-other'],
    [{ header: 'x-load' }, 'weight: header x-load is "1e3", expected a number from 0 on'],
    [{ header: 'x-no' }, 'weight: header x-no is "-1", expected a number from 0 on'],
    [{ json: 'load.none' }, 'weight: load.none is "-1", expected a number from 0 on'],
    [{ json: 'load.wrong' }, 'weight: load.wrong is "high", expected a number from 0 on'],
    [{ json: 'load.more' }, 'weight: no load.more'],
    [{ json: 'load' }, /^http HOST: weight: load is .*, expected a number from 0 on$/],
    [{ body: /memory=(\d+)/ }, 'weight: no /memory=(\\d+)/ in the body'],
  ] as [HttpCheckOptions['weight'], string | RegExp][])('%j: %s', async (weight, reason) => {
    const { member } = await answer()
    const expected = typeof reason === 'string' ? `http HOST: ${reason}` : reason
    const said = await run(checks.http({ weight }), member)
    if (typeof expected === 'string') expect(said).toBe(expected)
    else expect(said).toMatch(expected)
  })

  it('of zero is healthy', async () => {
    const { member } = await answering('0')
    const check = checks.http({ weight: { body: /^\d+$/ } })
    const end = check(member, { signal: new AbortController().signal })
    expect(await outcomeOf(end)).toBe('healthy: status 200, weight 0 of 1')
    expect(await end).toMatchObject({ weightFactor: 0 })
  })

  it('counts for nothing where the answer is wrong', async () => {
    const { member } = await answer()
    const check = checks.http({ weight: { header: 'x-weight' }, status: 204 })
    expect(await run(check, member)).toBe('http HOST: status 200, expected 204')
  })
})

it.each([
  [{ expectJson: [] }, 'options.expectJson'],
  [{ expectJson: { 'a..b': 1 } }, 'options.expectJson'],
  [{ expectJson: { '': 1 } }, 'options.expectJson'],
  [{ expectJson: { a: {} } }, 'options.expectJson.a'],
  [{ expectJson: { a: undefined } }, 'options.expectJson.a'],
  [{ weight: {} }, 'options.weight'],
  [{ weight: 1 }, 'options.weight'],
  [{ weight: { header: 'a', json: 'b' } }, 'options.weight'],
  [{ weight: { header: 'a b' } }, 'options.weight.a b'],
  [{ weight: { header: 5 } }, 'options.weight.header'],
  [{ weight: { json: '.a' } }, 'options.weight.json'],
  [{ weight: { body: 'load' } }, 'options.weight.body'],
  [{ weight: { header: 'a', max: 0 } }, 'options.weight.max'],
  [{ weight: { header: 'a', max: Number.POSITIVE_INFINITY } }, 'options.weight.max'],
  [{ weight: { header: 'a', max: '1' } }, 'options.weight.max'],
])('refuses %j', (options, option) => {
  expect(() => checks.http(options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
  )
})
