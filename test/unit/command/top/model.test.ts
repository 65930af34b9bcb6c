// Rates: exact where something was counted, nothing at all where nobody can know.
import { expect, test } from 'vitest'
import { follow, HISTORY, type Rows, sumOf } from '../../../../src/command/top/model.js'
import { looks, rated, seen, stats } from './rows.js'

const connections = (rows: ReturnType<typeof looks>) => rows.map((row) => row?.rates?.connections)

test('a rate is the difference of two looks over the time between them', () => {
  const [, second] = looks([1000, 1030])
  expect(second!.rates).toEqual({
    connections: 15,
    inPackets: 30,
    outPackets: 45,
    inBytes: 60,
    outBytes: 75,
  })
  expect(connections(looks([0, 100], 2500))).toEqual([undefined, 40])
})

test('of large counters too, to the last one', () => {
  const at = (count: bigint) => [seen('x', 0, { stats: { ...stats(0), inBytes: count } })]
  const rows = follow(follow(new Map(), at(2n ** 63n), 0), at(2n ** 63n + 7n), 7000)
  expect(rows.get('x')!.rates!.inBytes).toBe(1)
})

test('it is over two of the steps in which the kernel counts, so that one more or less does not make it vanish', () => {
  // 100 a step; one look finds none, and the next one two.
  expect(connections(looks([0, 100, 200, 200, 400, 500]))).toEqual([undefined, 50, 50, 25, 50, 75])
})

test('looks between two steps of the kernel wait for one, and then tell what is so', () => {
  // Every half second; the kernel counts each fourth time.
  const counts = [0, 0, 100, 100, 100, 100, 200, 200, 200, 200, 300, 300, 300, 300]
  const rates = connections(looks(counts, 500))
  expect(rates.slice(0, 4)).toEqual([undefined, undefined, undefined, undefined])
  expect(rates.slice(4)).toEqual([
    50, 40, 66.66666666666667, 57.142857142857146, 50, 50, 50, 50, 50, 50,
  ])
})

test.each([
  ['zeroed', [500, 600, 10, 20], [undefined, 50, undefined, 5]],
  [
    'removed and made again',
    [500, 600, undefined, 1000, 1200],
    [undefined, 50, undefined, undefined, 100],
  ],
  ['made again between two looks', [500, 600, 0, 0], [undefined, 50, undefined, 0]],
  ['zeroed again and again', [9, 8, 7, 6], [undefined, undefined, undefined, undefined]],
])('%s, it begins anew', (_, counts, rates) => {
  const rows = looks(counts)
  expect(connections(rows)).toEqual(rates)
  expect(rows.at(-1)!.history).toHaveLength(rates.length - 1 - rates.lastIndexOf(undefined))
})

test('one counter that falls is enough', () => {
  const at = (count: bigint) => [seen('x', 7, { stats: { ...stats(7), outBytes: count } })]
  const rows = follow(follow(new Map(), at(5n), 0), at(4n), 2000)
  expect(rows.get('x')!.rates).toBe(undefined)
})

test('without counters there are no rates, and no history', () => {
  let rows: Rows = new Map()
  for (const atMs of [0, 2000, 4000]) rows = follow(rows, [seen('x')], atMs)
  expect(rows.get('x')).toMatchObject({ rates: undefined, history: [], readings: [] })
})

test('two of one name both stay', () => {
  const rows = follow(new Map(), [seen('fwmark 7'), seen('fwmark 7')], 0)
  expect([...rows.keys()]).toEqual(['fwmark 7', 'fwmark 7 (2)'])
})

test('what is kept of a row does not grow', () => {
  const rows = looks(Array.from({ length: 1000 }, (_, n) => n * 10))
  expect(rows.at(-1)!.history).toHaveLength(HISTORY)
  expect(rows.at(-1)!.readings.length).toBeLessThan(5)
})

test('a look costs each row the same, however many there are', () => {
  let reads = 0
  const counted = (n: number) =>
    Array.from({ length: n }, (_, at) => ({
      ...seen(`row ${at}`),
      get stats() {
        reads++
        return stats(at)
      },
    }))
  const cost = (n: number) => {
    const before = follow(new Map(), counted(n), 0)
    reads = 0
    follow(before, counted(n), 2000)
    return reads / n
  }
  expect(cost(10)).toBeGreaterThan(0)
  expect(cost(5000)).toBe(cost(10))
})

test('the sum is of those that have rates', () => {
  expect(sumOf([])).toBe(undefined)
  expect(sumOf(looks([5]))).toBe(undefined)
  expect(sumOf([...rated({ a: 1, b: 2 }), ...looks([5])])).toMatchObject({
    connections: 3,
    inBytes: 12,
  })
})
