// When a plain list takes the kernel's own listing, and when it has to ask over netlink.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ofWholeListing } from '../../../src/command/table/proc.js'

const folder = mkdtempSync(path.join(tmpdir(), 'proc-'))
afterAll(() => rmSync(folder, { recursive: true }))

const HEAD = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
`
const DNS = 'UDP  C0000235:0035 wrr  ops \n'
const SERVER = '  -> 0A010001:0035      Route   3      2          1         \n'

function listing(...lines: string[]): string {
  const file = path.join(folder, 'ip_vs')
  writeFileSync(file, HEAD + lines.join(''))
  return file
}

const wholeListing = (file: string) => ofWholeListing(file, (services) => [...services])

describe('ofWholeListing', () => {
  test('has all that a list shows', async () => {
    expect(await wholeListing(listing(DNS, SERVER))).toEqual([
      {
        ...{ protocol: 'udp', address: '192.0.2.53', port: 53, scheduler: 'wrr', onePacket: true },
        destinations: [
          {
            ...{ address: '10.1.0.1', port: 53, forwarding: 'direct', weight: 3 },
            ...{ activeConnections: 2, inactiveConnections: 1 },
          },
        ],
      },
    ])
    expect(await wholeListing(listing())).toEqual([])
  })

  test('is read to its end, however long it is', async () => {
    const servers = Array.from(
      { length: 5000 },
      (_, n) =>
        `  -> 0A01${n.toString(16).toUpperCase().padStart(4, '0')}:0035      Route   1      0          0         \n`,
    )
    const [service] = (await wholeListing(listing(DNS, ...servers)))!
    expect(service!.destinations).toHaveLength(5000)
  })

  test.each([
    ['a tunnel', [DNS, SERVER.replace('Route ', 'Tunnel')]],
    ['persistence', ['TCP  C0000235:0035 wrr persistent 7500 FFFFFFFF\n', SERVER]],
    ['a scheduler that may have flags', [DNS.replace('wrr', 'mh'), SERVER]],
    ['IPv6', ['UDP  [2001:0db8:0000:0000:0000:0000:0000:0053]:0035 wrr \n']],
    ['a firewall mark without servers', ['FWM  00000007 wrr \n']],
    ['a line that nobody knows', ['DCCP C0000235:0035 wrr \n', SERVER]],
  ])('says nothing of a table with %s', async (_, lines) => {
    expect(await wholeListing(listing(...lines))).toBeUndefined()
  })

  test('says nothing where there is no such file, or it cannot be read', async () => {
    expect(await wholeListing(path.join(folder, 'nowhere'))).toBeUndefined()
    expect(await wholeListing(folder)).toBeUndefined()
  })

  test('says nothing if services come or go while it is read', async () => {
    const file = listing(DNS, SERVER)
    let opened = 0
    vi.resetModules()
    vi.doMock('node:fs', async (original) => {
      const fs = await original<typeof import('node:fs')>()
      const openSync: typeof fs.openSync = (...words) => {
        if (++opened === 2) listing(DNS, SERVER, DNS.replace('0235', '0236'))
        return fs.openSync(...words)
      }
      return { ...fs, openSync }
    })
    onTestFinished(() => {
      vi.doUnmock('node:fs')
      vi.resetModules()
    })
    const again = await import('../../../src/command/table/proc.js')
    const watched = (name: string) => again.ofWholeListing(name, (services) => [...services])
    expect(await watched(file)).toBeUndefined()
    expect(opened).toBe(2)
    expect(await watched(file)).toHaveLength(2)
  })
})
