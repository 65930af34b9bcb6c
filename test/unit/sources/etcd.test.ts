// What a real etcd gives it: test/servers/etcd-source.test.ts.
import { describe, expect, it } from 'vitest'
import { type EtcdClient, etcdServers } from '../../../src/index.js'
import { base64, client, gateway, header, stream } from '../etcd/gateway.js'
import { listsOf } from './lists.js'

/** A store with these values, by keys. */
async function store(values: Readonly<Record<string, string>>) {
  const kvs = Object.entries(values).map(([key, value]) => ({
    key: base64(key),
    mod_revision: '5',
    value: base64(value),
  }))
  const watch = stream({ result: { header: header(7), created: true } })
  const etcd = await gateway(({ path }) =>
    path === '/v3/watch' ? watch.said : { header: header(7), kvs },
  )
  return { etcd: client({ endpoints: [etcd.origin] }), watch }
}

describe('etcdServers', () => {
  it('reads each key for a server, in the order of keys whenever they came', async () => {
    const { etcd, watch } = await store({
      'p/10.1.0.3': ' 7\n',
      'p/10.1.0.1:53': '',
      'p/[2001:DB8::1]:53': '{"weight":0,"upperThreshold":9,"secondAddress":"10.1.0.9"}',
    })
    const lists = listsOf(etcdServers(etcd, 'p/'))
    const [first, third, sixth] = [
      { address: '10.1.0.1', port: 53 },
      { address: '10.1.0.3', weight: 7 },
      {
        address: '2001:db8::1',
        port: 53,
        secondAddress: '10.1.0.9',
        weight: 0,
        upperThreshold: 9,
      },
    ]
    expect(await lists.next()).toEqual([first, third, sixth])
    const next = lists.next()
    await expect.poll(() => watch.streams.length).toBe(1)
    const put = { kv: { key: base64('p/10.1.0.2'), mod_revision: '8' } }
    watch.write({ result: { header: header(8), events: [put] } })
    expect(await next).toEqual([first, { address: '10.1.0.2' }, third, sixth])
  })

  it.each<[key: string, value: string, message: string]>([
    ['p/', '', 'p/ must be an IPv4 or IPv6 address'],
    ['p/web1', '', 'p/web1 must be an IPv4 or IPv6 address'],
    ['p/10.1.0.1:0', '', 'p/10.1.0.1:0 must be a server with a port from 1 to 65535'],
    ['p/10.1.0.1', '-1', 'p/10.1.0.1 must be empty, a weight, or JSON such as'],
    ['p/10.1.0.1', '["a"]', 'p/10.1.0.1 must be empty, a weight, or JSON such as'],
    ['p/10.1.0.1', '2147483648', 'p/10.1.0.1: weight must be an integer from 0 to 2147483647'],
    ['p/10.1.0.1', '{"weight":"3"}', 'p/10.1.0.1: weight must be a number'],
    ['p/10.1.0.1', '{"wieght":3}', 'p/10.1.0.1.wieght must be left out'],
    ['p/10.1.0.1', '{"admin":"off"}', 'p/10.1.0.1.admin must be one of "ready", "drain"'],
    ['p/10.1.0.1', '{"port":53}', 'p/10.1.0.1: port must be left out: the key says it'],
  ])('names the key %s with the value %j', async (key, value, message) => {
    const { etcd } = await store({ [key]: value })
    const error = await listsOf(etcdServers(etcd, 'p/')).error()
    expect(error.message).toContain(message)
    expect(error.code).toBe('ERR_IPVS_ARGUMENT')
  })

  it('shares a watch with others', async () => {
    const { etcd } = await store({ 'p/a/10.1.0.1': '', 'p/b/10.1.0.2': '3' })
    const [a, b] = ['p/a/', 'p/b/'].map((prefix) =>
      listsOf(etcdServers(etcd, prefix, { together: 'p/' })),
    )
    expect(await Promise.all([a!.next(), b!.next()])).toEqual([
      [{ address: '10.1.0.1' }],
      [{ address: '10.1.0.2', weight: 3 }],
    ])
  })

  it('refuses two keys for one server', async () => {
    const { etcd } = await store({ 'p/::1': '', 'p/0::1': '' })
    const { message } = await listsOf(etcdServers(etcd, 'p/')).error()
    expect(message).toBe(
      'p/::1 must be a server that is not there twice: p/0::1 is the same; received "::1"',
    )
  })

  it('refuses bad arguments', async () => {
    const { etcd } = await store({})
    const none = {} as EtcdClient
    expect(() => etcdServers(none, 'p/')).toThrow(/^client must be an EtcdClient/)
    expect(() => etcdServers(etcd, '')).toThrow(/^prefix must be the beginning of keys, not empty/)
    expect(() => etcdServers(etcd, 1 as unknown as string)).toThrow(/^prefix must be/)
    expect(() => etcdServers(etcd, 'p/', { port: 1 } as object)).toThrow(/^options.port/)
    const rule = /^options.together must be the beginning of keys up to a "\/"/
    for (const together of ['p', 'q/', 'p/q/', 1 as unknown as string]) {
      expect(() => etcdServers(etcd, 'p/', { together })).toThrow(rule)
    }
    expect(() => etcdServers(etcd, 'p/q', { together: 'p/' })).toThrow(/^prefix must be one that/)
  })
})
