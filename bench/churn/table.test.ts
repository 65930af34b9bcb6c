import { describe, expect, it } from 'vitest'
import { report, result } from './made-up.js'
import { formatCount, formatRatio, formatSpread, formatTime } from './results.js'
import { formatMarkdown, formatReport } from './table.js'

const cases = new Map([
  ['read', { title: 'The whole table', unit: 'read' }],
  ['flip-weight', { title: 'A mirrored flip by weight', unit: 'flip' }],
])

const some = report([
  result('ipvsadm', 7830, { n: 200, syscallsPerOp: 312 }),
  result('applySync', 14.2),
  result('c-floor', 10),
  result('applySync', 1_234_567, {
    case: 'read',
    perChangeUs: null,
    ratioToFloor: null,
    syscallsPerOp: 40.5,
    extra: { bytesGrown: 1234 },
  }),
])

describe('numbers', () => {
  it.each([
    [0.5, '0.50 µs'],
    [9.994, '9.99 µs'],
    [9.996, '10.0 µs'],
    [99.96, '100 µs'],
    [999.4, '999 µs'],
    [999.6, '1.00 ms'],
    [12_340, '12.3 ms'],
    [999_600, '1.00 s'],
    [61_000_000, '61.0 s'],
    [0, '0.00 µs'],
    [null, '–'],
    [Number.NaN, '–'],
  ])('%s µs is %s', (us, text) => {
    expect(formatTime(us)).toBe(text)
  })

  it('has one unit for a spread, or two', () => {
    expect(formatSpread(11, 14.2)).toBe('11.0–14.2 µs')
    expect(formatSpread(950, 1200)).toBe('950 µs–1.20 ms')
    expect(formatSpread(2e3, 2e6)).toBe('2.00 ms–2.00 s')
    expect(formatSpread(1.5e6, 2e6)).toBe('1.50–2.00 s')
  })

  it('groups thousands', () => {
    expect(formatCount(10_000)).toBe('10,000')
    expect(formatRatio(1.426)).toBe('1.43')
    expect(formatRatio(1249.6)).toBe('1,250')
    expect(formatRatio(null)).toBe('–')
  })
})

describe('for a terminal', () => {
  it('has the cases in the order asked for, the fastest driver first', () => {
    expect(formatReport(some, { cases })).toBe(`\
The whole table (per read)
  driver         n   median      p99          spread  per change  × floor  system calls  bytes grown
  applySync  3,000  1.23 s   2.47 s   617 ms–4.94 s            –        –          40.5        1,234

A mirrored flip by weight (per flip)
  driver         n   median      p99          spread  per change  × floor  system calls
  c-floor    3,000  10.0 µs  20.0 µs    5.00–40.0 µs     5.00 µs     1.00             2
  applySync  3,000  14.2 µs  28.4 µs    7.10–56.8 µs     7.10 µs     1.42             2
  ipvsadm      200  7.83 ms  15.7 ms    3.92–31.3 ms     3.92 ms      783           312

Linux 6.1.176 · Node v20.20.2 · a CPU, 2 cores, user-mode Linux guest pinned to one CPU · 2026-11-23 03:30
`)
  })

  it('keeps columns in line whatever the lengths', () => {
    const lines = formatReport(
      report([result('a', 1), result('a-driver-with-a-long-name', 123_456_789, { n: 1_000_000 })]),
      { cases },
    ).split('\n')
    expect(new Set(lines.slice(1, 4).map((line) => line.length)).size).toBe(1)
  })

  it('leaves out a column without any value, and keeps one of zeros', () => {
    const text = formatReport(
      report([result('apply', 10, { perChangeUs: null, ratioToFloor: null, syscallsPerOp: 0 })]),
      { cases },
    )
    expect(text).not.toMatch(/per change|floor/)
    expect(text).toMatch(/system calls\n.* 0\n/)
  })

  it('has the instructions of what they were counted of', () => {
    const text = formatReport(
      report([
        result('c-encode', 1, { case: 'host-codec', instructionsPerOp: 1144.06 }),
        result('JavaScript', 2, { case: 'host-codec' }),
      ]),
      { cases },
    )
    expect(text).toMatch(/instructions\n.* 1,144\n.* –\n/)
  })

  it('says how noisy the run was, and who counted, where that is known', () => {
    const noise = { 'flip-weight': 0.042, read: 0 }
    const lines = formatReport({ ...some, noise, counter: 'callgrind' }, { cases }).split('\n')
    expect(lines.slice(-4)).toEqual([
      'Noise, by how much two rounds of the floor in C differ: flip-weight 4 %, read 0 %.',
      '',
      'Linux 6.1.176 · Node v20.20.2 · a CPU, 2 cores, user-mode Linux guest pinned to one CPU · instructions counted by callgrind · 2026-11-23 03:30',
      '',
    ])
    expect(formatMarkdown({ ...some, noise }, { cases })).toContain(
      '\n\nNoise, by how much two rounds of the floor in C differ: flip-weight 4 %, read 0 %.\n\nLinux',
    )
  })

  it('shows a case it knows no title of, last', () => {
    const text = formatReport(report([result('apply', 1, { case: 'new' }), ...some.results]), {
      cases,
    })
    expect(text.indexOf('new (per operation)')).toBeGreaterThan(text.indexOf('mirrored flip'))
  })

  it('says that there are no results', () => {
    expect(formatReport(report([]), { cases })).toMatch(/^No results\.\n\nLinux 6\.1\.176 · /)
  })
})

describe('as Markdown', () => {
  it('has a table per case, with the columns that it has values for', () => {
    expect(formatMarkdown(some, { cases })).toBe(`\
### The whole table (per read)

| driver    |     n |  median |     p99 |         spread | system calls | bytes grown |
| --------- | ----: | ------: | ------: | -------------: | -----------: | ----------: |
| applySync | 3,000 | 1.23 s  | 2.47 s  | 617 ms–4.94 s  |         40.5 |       1,234 |

### A mirrored flip by weight (per flip)

| driver    |     n |  median |     p99 |       spread | per change | × floor | system calls |
| --------- | ----: | ------: | ------: | -----------: | ---------: | ------: | -----------: |
| c-floor   | 3,000 | 10.0 µs | 20.0 µs | 5.00–40.0 µs |    5.00 µs |    1.00 |            2 |
| applySync | 3,000 | 14.2 µs | 28.4 µs | 7.10–56.8 µs |    7.10 µs |    1.42 |            2 |
| ipvsadm   |   200 | 7.83 ms | 15.7 ms | 3.92–31.3 ms |    3.92 ms |     783 |          312 |

Linux 6.1.176 · Node v20.20.2 · a CPU, 2 cores, user-mode Linux guest pinned to one CPU · 2026-11-23 03:30
`)
  })

  it('escapes what Markdown would read', () => {
    const text = formatMarkdown(report([result('a|b<c', 1)]), { cases })
    expect(text).toContain('| a\\|b\\<c ')
  })
})
