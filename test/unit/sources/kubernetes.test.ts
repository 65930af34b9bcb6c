import { afterEach, describe, expect, it, vi } from 'vitest'
import { kubernetesServers } from '../../../src/index.js'
import { type Conditions, kubernetesServer } from './kubernetes-server.js'
import { listsOf } from './lists.js'

const ready = (...addresses: string[]) => addresses.map((one) => ({ addresses: [one] }))
const one = { address: '10.1.0.1' }
const two = { address: '10.1.0.2' }

/** What has begun by now has lived for longer than a second: it is taken up again. */
function later(): void {
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + 2000)
}

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

describe('kubernetesServers', () => {
  it('lists, and then watches', async () => {
    const cluster = await kubernetesServer('t')
    cluster.set('dns-a', { endpoints: ready('10.1.0.2', '10.1.0.1') })
    cluster.set('web-a', { service: 'web', endpoints: ready('10.1.0.9') })
    const lists = listsOf(kubernetesServers('shop/dns', { url: cluster.url, token: 't' }))
    expect(await lists.next()).toEqual([one, two])
    const next = lists.next()
    await expect.poll(() => cluster.watches.size).toBe(1)
    const selector = 'labelSelector=kubernetes.io%2Fservice-name%3Ddns'
    const path = `/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?${selector}`
    expect(cluster.server.requests.map(({ url }) => url)).toEqual([
      path,
      `${path}&watch=1&resourceVersion=102&allowWatchBookmarks=true&timeoutSeconds=120`,
    ])
    cluster.set('web-a', { service: 'web', endpoints: ready('10.1.0.8') })
    cluster.set('dns-b', { endpoints: ready('10.1.0.3') })
    expect(await next).toEqual([one, two, { address: '10.1.0.3' }])
    cluster.set('dns-a', { endpoints: ready('10.1.0.2') })
    expect(await lists.next()).toEqual([two, { address: '10.1.0.3' }])
    cluster.delete('dns-b')
    expect(await lists.next()).toEqual([two])
    cluster.set('dns-a', { endpoints: null, ports: null })
    expect(await lists.next()).toEqual([])
  })

  it.each<[conditions: Conditions | undefined, weight: number | undefined | 'none']>([
    [undefined, undefined],
    [{}, undefined],
    [{ ready: true, serving: true, terminating: false }, undefined],
    // publishNotReadyAddresses
    [{ ready: true, serving: false, terminating: true }, undefined],
    [{ ready: false, serving: true, terminating: true }, 0],
    [{ ready: false, serving: false, terminating: true }, 'none'],
    [{ ready: false, serving: true, terminating: false }, 'none'],
    [{ ready: false, terminating: true }, 'none'],
    [{ ready: false }, 'none'],
  ])('takes an endpoint with %j for one of weight %s', async (conditions, weight) => {
    const cluster = await kubernetesServer()
    cluster.set('a', {
      endpoints: [{ addresses: ['10.1.0.1'], ...(conditions && { conditions }) }],
    })
    const lists = listsOf(kubernetesServers('shop/dns', { url: cluster.url }))
    const expected = weight === undefined ? [one] : [{ ...one, weight }]
    expect(await lists.next()).toEqual(weight === 'none' ? [] : expected)
  })

  it('takes the first address, of the families that are asked for, and each endpoint once', async () => {
    const cluster = await kubernetesServer()
    cluster.set('a', {
      endpoints: [
        { addresses: ['10.1.0.1'], conditions: { ready: false, serving: true, terminating: true } },
        { addresses: ['10.1.0.2', '10.1.0.3'] },
      ],
    })
    cluster.set('b', { endpoints: ready('10.1.0.1') })
    cluster.set('c', { addressType: 'IPv6', endpoints: ready('2001:db8::1') })
    cluster.set('d', { addressType: 'FQDN', endpoints: ready('web.example') })
    const url = cluster.url
    expect(await listsOf(kubernetesServers('shop/dns', { url })).next()).toEqual([one, two])
    const both = kubernetesServers('shop/dns', { url, families: ['ipv6', 'ipv4'] })
    expect(await listsOf(both).next()).toEqual([one, two, { address: '2001:db8::1' }])
  })

  it('knows ports by name and by number', async () => {
    const cluster = await kubernetesServer()
    const ports = (web: number) => [
      { name: 'metrics', port: 9 },
      { name: 'web', port: web, protocol: 'TCP' },
    ]
    cluster.set('a', { endpoints: ready('10.1.0.1'), ports: ports(8080) })
    cluster.set('b', { endpoints: ready('10.1.0.2'), ports: ports(8081) })
    cluster.set('c', { endpoints: ready('10.1.0.3'), ports: [{ name: 'metrics', port: 9 }] })
    const of = (port: string | number) =>
      listsOf(kubernetesServers('shop/dns', { url: cluster.url, port }))
    expect(await of('web').next()).toEqual([
      { ...one, port: 8080 },
      { ...two, port: 8081 },
    ])
    expect(await of(53).next()).toHaveLength(3)
    expect((await of('wbe').error()).message).toBe(
      'no EndpointSlice has a port named wbe, only metrics, web',
    )
  })

  it('takes a watch up where it was, after a bookmark too, when its time is over or it breaks', async () => {
    const cluster = await kubernetesServer()
    cluster.set('a', { endpoints: ready('10.1.0.1') })
    const lists = listsOf(kubernetesServers('shop/dns', { url: cluster.url }))
    await lists.next()
    const next = lists.next()
    await expect.poll(() => cluster.watches.size).toBe(1)
    cluster.bookmark()
    cluster.endWatches()
    await expect.poll(() => cluster.watches.size).toBe(0)
    await expect.poll(() => cluster.watches.size).toBe(1)
    cluster.set('a', { endpoints: ready('10.1.0.2') })
    expect(await next).toEqual([two])
    const last = lists.next()
    later()
    cluster.server.cut()
    cluster.set('b', { endpoints: ready('10.1.0.1') })
    expect(await last).toEqual([one, two])
    const versions = cluster.server.requests.map(({ url }) => /Version=(\d+)/.exec(url!)?.[1])
    expect(versions).toEqual([undefined, '101', '151', '152'])
  })

  it('lists anew what it has missed for good, and nobody seems to go meanwhile', async () => {
    const cluster = await kubernetesServer()
    cluster.set('a', { endpoints: ready('10.1.0.1') })
    cluster.set('b', { endpoints: ready('10.1.0.2') })
    const lists = listsOf(kubernetesServers('shop/dns', { url: cluster.url }))
    await lists.next()
    const next = lists.next()
    await expect.poll(() => cluster.watches.size).toBe(1)
    later()
    cluster.server.cut()
    cluster.delete('b')
    cluster.forget()
    expect(await next).toEqual([one])
  })

  it('lists anew when a watch is told that it is too old', async () => {
    const cluster = await kubernetesServer()
    cluster.set('a', { endpoints: ready('10.1.0.1') })
    const lists = listsOf(kubernetesServers('shop/dns', { url: cluster.url }))
    await lists.next()
    const next = lists.next()
    await expect.poll(() => cluster.watches.size).toBe(1)
    cluster.say({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Gone' } })
    await expect.poll(() => cluster.watches.size).toBe(0)
    cluster.set('a', { endpoints: ready('10.1.0.2') })
    expect(await next).toEqual([two])
    expect(cluster.server.requests.filter(({ url }) => !url!.includes('watch'))).toHaveLength(2)
  })

  it.each<[what: string, event: unknown, code: string | undefined, message: RegExp]>([
    [
      'an error of the watch',
      { type: 'ERROR', object: { code: 500, message: 'etcd is away' } },
      undefined,
      /has ended the watch: 500 etcd is away$/,
    ],
    ['what is no event', { type: 'HELLO' }, 'ERR_HTTP_ANSWER', /is no event of a watch$/],
    ['what is no slice', { type: 'ADDED', object: {} }, 'ERR_HTTP_ANSWER', /no EndpointSlice/],
    ['a bookmark of nothing', { type: 'BOOKMARK', object: {} }, 'ERR_HTTP_ANSWER', /no event/],
  ])('ends with an error: %s', async (_, event, code, message) => {
    const cluster = await kubernetesServer()
    const lists = listsOf(kubernetesServers('shop/dns', { url: cluster.url }))
    await lists.next()
    const error = lists.error()
    await expect.poll(() => cluster.watches.size).toBe(1)
    cluster.say(event)
    expect((await error).message).toMatch(message)
    expect((await error).code).toBe(code)
    await expect.poll(() => cluster.watches.size).toBe(0)
  })

  it.each<[what: string, text: string, code: string, message: RegExp]>([
    ['no JSON', 'hello', 'ERR_HTTP_ANSWER', /no JSON/],
    ['no list', '{"items":[]}', 'ERR_HTTP_ANSWER', /no list of EndpointSlices/],
    [
      'a part of a list',
      '{"items":[],"metadata":{"resourceVersion":"1","continue":"x"}}',
      'ERR_HTTP_ANSWER',
      /only a part/,
    ],
    [
      'no slice',
      '{"items":[{"metadata":{"name":"a","resourceVersion":"1"}}],"metadata":{"resourceVersion":"1"}}',
      'ERR_HTTP_ANSWER',
      /no EndpointSlice/,
    ],
    [
      'no address',
      '{"items":[{"metadata":{"name":"a","resourceVersion":"1"},"addressType":"IPv4","endpoints":[{"addresses":["web"]}]}],"metadata":{"resourceVersion":"1"}}',
      'ERR_IPVS_ARGUMENT',
      /^a: endpoints\[0\].address must be an IPv4/,
    ],
  ])('ends with an error: %s', async (_, text, code, message) => {
    const cluster = await kubernetesServer()
    cluster.fail({ status: 200, text })
    const lists = listsOf(kubernetesServers('shop/dns', { url: cluster.url }))
    const error = await lists.error()
    expect(error.message).toMatch(message)
    expect(error.code).toBe(code)
  })

  it('tells what it may not', async () => {
    const { url } = await kubernetesServer('t')
    const wrong = listsOf(kubernetesServers('shop/dns', { url, token: 'x' }))
    expect(await wrong.error()).toMatchObject({ code: 'ERR_HTTP_STATUS', status: 401 })
    const other = listsOf(kubernetesServers('bank/dns', { url, token: 't' }))
    expect((await other.error()).message).toMatch(/answered 403: .*forbidden/)
  })

  it('finds the cluster that it is in', async () => {
    vi.stubEnv('KUBERNETES_SERVICE_HOST', '::1')
    vi.stubEnv('KUBERNETES_SERVICE_PORT', '1')
    const error = await listsOf(kubernetesServers('shop/dns')).error()
    // There is no service account here.
    expect(error.message).toContain('/var/run/secrets/kubernetes.io/serviceaccount/')
    vi.stubEnv('KUBERNETES_SERVICE_HOST', '')
    expect(() => kubernetesServers('shop/dns')).toThrow(/^options.url must be given outside/)
  })

  it.each<[unknown, unknown, RegExp]>([
    ['dns', { url: 'http://x' }, /^service must be a namespace and a service/],
    [1, { url: 'http://x' }, /^service must be a namespace/],
    ['shop/dns', { url: 'x' }, /^options.url/],
    ['shop/dns', { url: 'http://x', port: 0 }, /^options.port must be an integer from 1/],
    ['shop/dns', { url: 'http://x', port: 'Web' }, /^options.port must be the name of a port/],
    ['shop/dns', { url: 'http://x', families: [] }, /^options.families must be not empty/],
    ['shop/dns', { url: 'http://x', namespace: 'a' }, /^options.namespace must be left out/],
  ])('refuses %j with %j', (service, options, message) => {
    expect(() => kubernetesServers(service as string, options as object)).toThrow(message)
  })
})
