import { expect, test } from 'vitest'
import { carrying, readTable } from './table.js'

test('services and servers of every kind are read from /proc/net/ip_vs', () => {
  const table = readTable([
    'UDP  C0000235:0035 wrr ops',
    '  -> C000020B:0035      Route   1',
    '  -> C000020C:0035      Route   0',
    'TCP  [2001:0db8:0000:0000:0000:0000:0000:0053]:0035 rr',
    '  -> [2001:0db8:0000:0000:0000:0000:0000:0011]:0035      Masq    3',
    'FWM  0000001F mh',
    '  -> 0A010001:0000      Tunnel  2',
  ])
  expect([...table.keys()]).toEqual(['udp 192.0.2.53:53', 'tcp [2001:db8::53]:53', 'fwm 31'])
  expect(table.get('udp 192.0.2.53:53')).toMatchObject({ settings: 'wrr ops' })
  expect([...table.get('tcp [2001:db8::53]:53')!.servers]).toEqual([
    ['[2001:db8::11]:53', 'Masq 3'],
  ])
  expect([...table.get('fwm 31')!.servers]).toEqual([['10.1.0.1:0', 'Tunnel 2']])
  expect([...carrying(table.get('udp 192.0.2.53:53'))]).toEqual(['192.0.2.11:53'])
  expect([...carrying(undefined)]).toEqual([])
})

test('a line that is none is not taken for one', () => {
  expect(() => readTable(['TCP  nonsense rr'])).toThrow('"nonsense" is no endpoint')
})
