// What a real etcd does to it: test/servers/etcd-source.test.ts.
import { describe, expect, it, onTestFinished } from 'vitest'
import { followPrefix } from '../../../src/etcd/index.js'
import { base64, client, gateway, header, type Said, stream } from './gateway.js'

const created = (revision: number) => ({ result: { header: header(revision), created: true } })

/** A store whose watches are as a test wants them, one after the other. */
async function follow(watches: readonly Said[], revision = 7) {
  let begun = 0
  const kvs = [{ key: base64('p/a'), mod_revision: '5', value: base64('1') }]
  const etcd = await gateway(({ path }) =>
    path === '/v3/watch' ? watches[begun++]! : { header: header(revision), kvs },
  )
  const end = new AbortController()
  const maps = followPrefix(client({ endpoints: [etcd.origin] }), 'p/', end.signal)
  onTestFinished(() => end.abort())
  expect((await maps.next()).value).toEqual(new Map([['p/a', '1']]))
  const revisions = () =>
    etcd.asked.flatMap(({ body }) => {
      const { start_revision } = (body.create_request ?? {}) as { start_revision?: string }
      return start_revision === undefined ? [] : [start_revision]
    })
  return { maps, end, etcd, revisions }
}

describe('followPrefix', () => {
  it('gives a map of its own each time', async () => {
    const line = stream(created(7))
    const { maps, revisions } = await follow([line.said])
    const next = maps.next()
    await expect.poll(() => line.streams.length).toBe(1)
    const put = (key: string, revision: number) => ({
      result: {
        header: header(revision),
        events: [{ kv: { key: base64(key), mod_revision: String(revision), value: base64('2') } }],
      },
    })
    line.write(put('p/b', 8))
    const { value: first } = await next
    line.write(put('p/a', 9))
    const { value: second } = await maps.next()
    expect([first, second]).toEqual([
      new Map([
        ['p/a', '1'],
        ['p/b', '2'],
      ]),
      new Map([
        ['p/a', '2'],
        ['p/b', '2'],
      ]),
    ])
    expect(revisions()).toEqual(['8'])
  })

  it('tells of a watch that breaks as soon as it has begun', async () => {
    const { maps } = await follow([stream(created(7), { hello: 1 }).said])
    await expect(maps.next()).rejects.toMatchObject({ code: 'ERR_ETCD_BROKEN' })
    expect(await maps.next()).toMatchObject({ done: true })
  })

  it.each<[what: string, line: object]>([
    ['of another store', { result: { header: { ...header(7), cluster_id: '1' }, created: true } }],
    ['of one that is behind', created(6)],
    [
      'of what is compacted',
      {
        result: {
          header: { ...header(0), revision: undefined },
          canceled: true,
          created: true,
          compact_revision: '9',
        },
      },
    ],
  ])('reads anew after a watch %s, no more than once a second', async (_, line) => {
    const last = stream(created(7))
    const began = performance.now()
    const { maps, etcd } = await follow([stream(line).said, last.said])
    expect((await maps.next()).value).toEqual(new Map([['p/a', '1']]))
    expect(performance.now() - began).toBeGreaterThan(900)
    expect(etcd.asked.map(({ path }) => path)).toEqual([
      '/v3/kv/range',
      '/v3/watch',
      '/v3/kv/range',
    ])
  })

  it('ends at once when it is told to, wherever it is', async () => {
    const line = stream(created(7))
    const { maps, end, etcd } = await follow([line.said])
    const next = maps.next()
    await expect.poll(() => line.streams.length).toBe(1)
    end.abort()
    expect(await next).toEqual({ done: true, value: undefined })
    await expect.poll(() => etcd.server.open.size).toBe(0)
    const silent = await gateway(() => () => {})
    const early = new AbortController()
    const none = followPrefix(client({ endpoints: [silent.origin] }), 'p/', early.signal).next()
    await expect.poll(() => silent.asked.length).toBe(1)
    early.abort()
    expect(await none).toEqual({ done: true, value: undefined })
    await expect.poll(() => silent.server.open.size).toBe(0)
  })
})
