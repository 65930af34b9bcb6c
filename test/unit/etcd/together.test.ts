import { describe, expect, it, onTestFinished } from 'vitest'
import { followTogether } from '../../../src/etcd/index.js'
import { base64, client, gateway, header, stream } from './gateway.js'

/** A store with two pools, and a watch of it. */
async function store() {
  const kvs = ['p/a/1', 'p/a/2', 'p/b/1'].map((key) => ({
    key: base64(key),
    mod_revision: '5',
    value: base64('x'),
  }))
  // Others write too.
  const watch = stream({ result: { header: header(50), created: true } })
  let isAway = false
  /** To the next watch, in place of its beginning. */
  let instead: readonly object[] | undefined
  const etcd = await gateway(({ path }) => {
    if (isAway) return { code: 14, message: 'etcdserver: no leader' }
    if (path !== '/v3/watch') return { header: header(7), kvs }
    if (instead === undefined) return watch.said
    const once = stream(...instead).said
    instead = undefined
    return once
  })
  const one = client({ endpoints: [etcd.origin] })
  const follow = (prefix: string) => {
    const end = new AbortController()
    onTestFinished(() => end.abort())
    const maps = followTogether(one, 'p/', prefix, end.signal)
    const next = async () => {
      const { value } = await maps.next()
      return value && [...value].map(([key, text]) => `${key}=${text}`)
    }
    return { next, end }
  }
  let revision = 7
  const happen = (...events: readonly { type?: string; key: string; value?: string }[]) => {
    revision++
    watch.write({
      result: {
        header: header(revision),
        events: events.map(({ type, key, value = '' }) => ({
          ...(type === undefined ? {} : { type }),
          kv: { key: base64(key), value: base64(value), mod_revision: String(revision) },
        })),
      },
    })
  }
  const paths = () => etcd.asked.map(({ path }) => path.replace('/v3/', ''))
  const away = (is: boolean) => {
    isAway = is
  }
  const answer = (...messages: readonly object[]) => {
    instead = messages
  }
  return { etcd, watch, follow, happen, paths, away, answer }
}

describe('followTogether', () => {
  it('is one watch, of which each is told its own', async () => {
    const { etcd, watch, follow, happen, paths } = await store()
    const [a, b, none] = [follow('p/a/'), follow('p/b/'), follow('p/c/')]
    expect(await Promise.all([a.next(), b.next(), none.next()])).toEqual([
      ['p/a/1=x', 'p/a/2=x'],
      ['p/b/1=x'],
      [],
    ])
    await expect.poll(() => watch.streams.length).toBe(1)
    const [ofA, ofNone] = [a.next(), none.next()]
    happen({ key: 'p/b/2', value: 'y' }, { type: 'DELETE', key: 'p/b/1' })
    expect(await b.next()).toEqual(['p/b/2=y'])
    happen({ key: 'p/c/d/1' }, { type: 'DELETE', key: 'p/a/2' })
    expect(await ofA).toEqual(['p/a/1=x'])
    expect(await ofNone).toEqual(['p/c/d/1='])
    // Who comes later knows it at once, as does who wants all, or a part of a part.
    expect(await follow('p/b/').next()).toEqual(['p/b/2=y'])
    expect(await follow('p/c/d/').next()).toEqual(['p/c/d/1='])
    expect(await follow('p/').next()).toEqual(['p/a/1=x', 'p/b/2=y', 'p/c/d/1='])
    expect(paths()).toEqual(['kv/range', 'watch'])
    expect(etcd.asked[1]!.body).toMatchObject({ create_request: { key: base64('p/') } })
  })

  it('tells what happened meanwhile at once, to who is slow', async () => {
    const { watch, follow, happen } = await store()
    const [slow, other] = [follow('p/a/'), follow('p/')]
    await Promise.all([slow.next(), other.next()])
    await expect.poll(() => watch.streams.length).toBe(1)
    for (const value of ['1', '2', '3']) {
      happen({ key: 'p/a/1', value })
      expect(await other.next()).toContain(`p/a/1=${value}`)
    }
    expect(await slow.next()).toEqual(['p/a/1=3', 'p/a/2=x'])
    const next = slow.next()
    happen({ key: 'p/a/2', value: '4' })
    expect(await next).toEqual(['p/a/1=3', 'p/a/2=4'])
  })

  it('ends with the last one who follows, and begins again with the next', async () => {
    const { etcd, watch, follow, paths } = await store()
    const [a, b] = [follow('p/a/'), follow('p/b/')]
    await Promise.all([a.next(), b.next()])
    await expect.poll(() => watch.streams.length).toBe(1)
    const ends = [a.next(), b.next()]
    a.end.abort()
    expect(await ends[0]).toBe(undefined)
    expect(etcd.server.open.size).toBe(1)
    b.end.abort()
    expect(await ends[1]).toBe(undefined)
    await expect.poll(() => etcd.server.open.size).toBe(0)
    expect(await follow('p/b/').next()).toEqual(['p/b/1=x'])
    expect(paths().filter((path) => path === 'kv/range')).toHaveLength(2)
  })

  it('tells everybody that etcd is away, and looks again once a second for all', async () => {
    const { etcd, watch, follow, happen, paths, away } = await store()
    const all = ['p/a/', 'p/b/'].map((prefix) => follow(prefix))
    await Promise.all(all.map(({ next }) => next()))
    await expect.poll(() => watch.streams.length).toBe(1)
    const changed = all[0]!.next()
    happen({ key: 'p/a/1', value: 'x' })
    await changed
    const outcomes = all.map(({ next }) => next().catch((error: Error) => error))
    away(true)
    etcd.server.cut()
    for (const outcome of await Promise.all(outcomes)) {
      expect(outcome).toMatchObject({ code: expect.stringMatching(/^ERR_ETCD_/) })
    }
    // Who begins again meanwhile is told no old list.
    const meanwhile = follow('p/a/').next()
    await expect(meanwhile).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_ETCD_/) })
    away(false)
    const asked = paths().length
    const failedAt = performance.now()
    const again = ['p/a/', 'p/b/'].map((prefix) => follow(prefix))
    const lists = await Promise.all(again.map(({ next }) => next()))
    expect(lists.map((list) => list?.length)).toEqual([2, 1])
    expect(performance.now() - failedAt).toBeGreaterThan(900)
    // What was missed is asked for, not all.
    expect(paths().slice(asked)).toEqual(['watch'])
    expect(etcd.asked.at(-1)!.body).toMatchObject({ create_request: { start_revision: '9' } })
    const next = again[1]!.next()
    happen({ key: 'p/b/2', value: 'late' })
    expect(await next).toEqual(['p/b/1=x', 'p/b/2=late'])
  })

  it('reads all anew where what was missed is compacted', async () => {
    const { etcd, watch, follow, happen, paths, away, answer } = await store()
    const a = follow('p/a/')
    await a.next()
    await expect.poll(() => watch.streams.length).toBe(1)
    const outcome = a.next().catch((error: Error) => error)
    away(true)
    etcd.server.cut()
    await outcome
    away(false)
    const compacted = { created: true, canceled: true, compact_revision: '12', header: header(20) }
    answer({ result: compacted })
    const asked = paths().length
    const again = follow('p/a/')
    expect(await again.next()).toEqual(['p/a/1=x', 'p/a/2=x'])
    await expect.poll(() => paths().slice(asked)).toEqual(['watch', 'kv/range', 'watch'])
    const next = again.next()
    happen({ key: 'p/a/3', value: 'new' })
    expect(await next).toContain('p/a/3=new')
  })

  it('reads all anew where what comes next cannot be read', async () => {
    const { watch, follow, happen, paths, answer } = await store()
    const a = follow('p/a/')
    await a.next()
    await expect.poll(() => watch.streams.length).toBe(1)
    const broken = expect.objectContaining({ code: 'ERR_ETCD_BROKEN' })
    const next = a.next().catch((error: Error) => error)
    watch.write({ hello: 1 })
    expect(await next).toEqual(broken)
    answer({ result: { header: header(50), created: true } }, { hello: 1 })
    const asked = paths().length
    const again = follow('p/a/')
    const outcomes = [await again.next().catch((error: Error) => error)]
    if (Array.isArray(outcomes[0])) outcomes.push(await again.next().catch((error: Error) => error))
    expect(outcomes.at(-1)).toEqual(broken)
    const last = follow('p/a/')
    expect(await last.next()).toEqual(['p/a/1=x', 'p/a/2=x'])
    expect(paths().slice(asked, asked + 2)).toEqual(['watch', 'kv/range'])
    const then = last.next()
    await expect.poll(() => watch.streams.length).toBe(2)
    happen({ key: 'p/a/3', value: 'new' })
    expect(await then).toContain('p/a/3=new')
  })
})
