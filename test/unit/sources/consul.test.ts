import { describe, expect, it } from 'vitest'
import { consulServers } from '../../../src/index.js'
import { consulServer, type Instance } from './consul-server.js'
import { listsOf } from './lists.js'
import { webServer } from './web-server.js'

const one: Instance = { id: 'dns1', address: '10.1.0.1', port: 53 }
const two: Instance = { id: 'dns2', address: '10.1.0.2', port: 5353, tags: ['big'] }
const ofOne = { address: '10.1.0.1', port: 53, weight: 1 }
const ofTwo = { address: '10.1.0.2', port: 5353, weight: 1 }

describe('consulServers', () => {
  it('asks once, and then waits for changes', async () => {
    const consul = await consulServer()
    consul.set([two, one])
    const lists = listsOf(consulServers('dns', { url: consul.url }))
    expect(await lists.next()).toEqual([ofOne, ofTwo])
    const next = lists.next()
    await expect.poll(() => consul.waiting.size).toBe(1)
    const { requests } = consul.server
    expect(requests.map(({ url }) => url)).toEqual([
      '/v1/health/service/dns?passing=1',
      '/v1/health/service/dns?passing=1&index=15&wait=60s',
    ])
    // The time is over, and nothing has changed.
    consul.timeOut()
    await expect.poll(() => requests.length).toBe(3)
    await expect.poll(() => consul.waiting.size).toBe(1)
    consul.set([two])
    expect(await next).toEqual([ofTwo])
  })

  it('takes address, port and weight as Consul has them', async () => {
    const consul = await consulServer()
    consul.set([
      { id: 'a', node: '10.9.0.7', port: 53, weights: { Passing: 10, Warning: 2 } },
      { id: 'b', address: '2001:db8::1', weights: { Passing: 10, Warning: 2 }, status: 'warning' },
      { id: 'c', address: '10.1.0.3', status: 'critical' },
      // Registered twice, at two agents.
      { id: 'c2', address: '10.1.0.3' },
    ])
    const options = { url: consul.url, passing: false }
    expect(await listsOf(consulServers('dns', options)).next()).toEqual([
      { address: '10.1.0.3', weight: 1 },
      { address: '10.9.0.7', port: 53, weight: 10 },
      { address: '2001:db8::1', weight: 2 },
    ])
    expect(await listsOf(consulServers('dns', { url: consul.url })).next()).toHaveLength(2)
    expect(await listsOf(consulServers('other', options)).next()).toEqual([])
  })

  it('names tag, datacenter and token', async () => {
    const consul = await consulServer('secret')
    consul.set([one, two])
    const options = { url: `${consul.url}/`, tag: 'big', datacenter: 'dc 2', token: 'secret' }
    expect(await listsOf(consulServers('dns', options)).next()).toEqual([ofTwo])
    expect(consul.server.requests[0]).toMatchObject({
      url: '/v1/health/service/dns?passing=1&dc=dc+2&tag=big',
      headers: { 'x-consul-token': 'secret' },
    })
  })

  it('begins anew when the index goes back', async () => {
    const consul = await consulServer()
    consul.set([one])
    const lists = listsOf(consulServers('dns', { url: consul.url }))
    await lists.next()
    const next = lists.next()
    await expect.poll(() => consul.waiting.size).toBe(1)
    consul.restore([one, two], 3)
    expect(await next).toEqual([ofOne, ofTwo])
    const last = lists.next()
    await expect.poll(() => consul.waiting.size).toBe(1)
    const asked = consul.server.requests.map(({ url }) => /index=(\d+)/.exec(url!)?.[1])
    expect(asked).toEqual([undefined, '15', undefined, '3'])
    consul.set([two])
    expect(await last).toEqual([ofTwo])
  })

  it('waits with an index of 1 where Consul has none yet', async () => {
    const consul = await consulServer()
    consul.restore([], 0)
    const lists = listsOf(consulServers('dns', { url: consul.url }))
    expect(await lists.next()).toEqual([])
    const next = lists.next()
    await expect.poll(() => consul.server.requests.length).toBe(2)
    expect(consul.server.requests[1]!.url).toContain('index=1&')
    consul.set([one])
    expect(await next).toEqual([ofOne])
  })

  it.each<[what: string, options: object, fault: object, code: string, message: RegExp]>([
    ['a wrong token', { token: 'x' }, {}, 'ERR_HTTP_STATUS', /answered 403: "ACL not found"$/],
    ['a list that something was left out of', {}, {}, 'ERR_HTTP_ANSWER', /left the rest out/],
    [
      'no leader',
      { token: 't' },
      { status: 500, text: 'No cluster leader' },
      'ERR_HTTP_STATUS',
      /500: "No cluster leader"/,
    ],
    [
      'a leader that is not known',
      { token: 't' },
      { headers: { 'x-consul-knownleader': 'false' } },
      'ERR_HTTP_ANSWER',
      /has no leader/,
    ],
    [
      'no index',
      { token: 't' },
      { headers: { 'x-consul-index': 'x' } },
      'ERR_HTTP_ANSWER',
      /this is not Consul/,
    ],
    ['no JSON', { token: 't' }, { text: '[' }, 'ERR_HTTP_ANSWER', /no JSON/],
    ['no list', { token: 't' }, { text: '{}' }, 'ERR_HTTP_ANSWER', /no list of instances/],
    ['no instance', { token: 't' }, { text: '[null]' }, 'ERR_HTTP_ANSWER', /at \[0\]/],
    [
      'no address',
      { token: 't' },
      { text: '[{"Service":{"ID":"a","Address":"web1"},"Checks":[]}]' },
      'ERR_IPVS_ARGUMENT',
      /^instance "a".address must be an IPv4/,
    ],
  ])('ends with an error: %s', async (_, options, fault, code, message) => {
    const consul = await consulServer('t')
    consul.set([one])
    consul.fail(fault)
    const error = await listsOf(consulServers('dns', { url: consul.url, ...options })).error()
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })

  it('asks again when the connection breaks, and ends with an error when Consul is gone', async () => {
    const consul = await consulServer()
    consul.set([one])
    const lists = listsOf(consulServers('dns', { url: consul.url }))
    await lists.next()
    const error = lists.error()
    await expect.poll(() => consul.waiting.size).toBe(1)
    consul.waiting.clear()
    consul.server.cut()
    await expect.poll(() => consul.waiting.size).toBe(1)
    expect(consul.server.requests[2]!.url).toContain('index=15&')
    consul.server.stop()
    expect(await error).toMatchObject({ code: 'ECONNRESET' })
  })

  it('does not ask without end where Consul always answers at once', async () => {
    const server = await webServer((_, response) => {
      response.writeHead(200, { 'x-consul-index': '7' }).end('[]')
    })
    const lists = listsOf(consulServers('dns', { url: server.origin }))
    await lists.next()
    void lists.next().catch(() => {})
    const began = performance.now()
    await expect.poll(() => server.requests.length).toBe(4)
    expect(performance.now() - began).toBeGreaterThan(500)
  })

  it.each<[unknown, unknown, RegExp]>([
    ['', {}, /^service must be a name, not empty/],
    [1, {}, /^service must be a name/],
    ['dns', { url: 'consul:8500' }, /^options.url must be an http:/],
    ['dns', { passing: 1 }, /^options.passing must be true or false/],
    ['dns', { tag: '' }, /^options.tag/],
    ['dns', { datacenter: 2 }, /^options.datacenter/],
    ['dns', { dc: 'a' }, /^options.dc must be left out/],
  ])('refuses %j with %j', (service, options, message) => {
    expect(() => consulServers(service as string, options as object)).toThrow(message)
  })
})
