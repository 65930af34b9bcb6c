// The view as a whole, on a kernel in memory and a terminal that keeps what it is told.
import { expect, test } from 'vitest'
import { Ipvs } from '../../../../src/client.js'
import { selector } from '../../../../src/command/table/seen.js'
import { type Director, withDirector } from '../../../../src/command/top/director.js'
import { type LiveOptions, live } from '../../../../src/command/top/live.js'
import { kernelSource, only, type Source } from '../../../../src/command/top/looks.js'
import type { Events } from '../../../../src/command/top/screen.js'
import { blocks } from '../../../../src/command/top/view.js'
import { MemoryKernel } from '../../../../src/testing/index.js'

const RULES = `-A -u 192.0.2.53:53 -s wrr
-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 5
-a -u 192.0.2.53:53 -r 10.1.0.2:53 -g -w 0
-A -t 192.0.2.80:80 -s rr
`

interface Terminal {
  readonly events: Events
  /** What it shows, and what was done to it. */
  readonly text: () => string
  readonly done: string[]
  readonly press: (...keys: string[]) => void
  size: { columns: number; rows: number }
}

/** Follows a kernel, and tells how that ended. */
async function follow(
  source: Source,
  work: (terminal: Terminal) => Promise<void>,
  change: Partial<LiveOptions> = {},
) {
  const done: string[] = []
  let shown: readonly string[] = []
  let made: Terminal | undefined
  const stop = new AbortController()
  const ended = live(
    {
      ...{ source, intervalMs: 10, sort: 'name', isOne: false, about: 'every 10ms' },
      ...{ paint: (_, text) => text, glyphs: blocks },
      ...change,
    },
    stop.signal,
    (events) => {
      const terminal: Terminal = {
        ...{ events, done, size: { columns: 80, rows: 10 } },
        text: () => shown.join('\n'),
        press: (...keys) => {
          for (const key of keys) events.key(key)
        },
      }
      made = terminal
      return {
        get size() {
          return terminal.size
        },
        open: () => done.push('open'),
        close: () => done.push('close'),
        suspend: () => done.push('suspend'),
        draw: (lines) => {
          shown = lines
          return true
        },
      }
    },
  )
  // Whoever ends it early says why, below.
  ended.catch(() => {})
  await expect.poll(() => done).toContain('open')
  await work(made!)
  stop.abort()
  await ended
  expect(done.filter((what) => what !== 'suspend')).toEqual(['open', 'close'])
}

async function onKernel(work: (kernel: MemoryKernel, ipvs: Ipvs, source: Source) => Promise<void>) {
  const kernel = new MemoryKernel({ rules: RULES })
  const ipvs = await Ipvs.open({ kernel })
  try {
    await work(kernel, ipvs, kernelSource(ipvs))
  } finally {
    await ipvs.close()
  }
}

test('keys lead to destinations and back, and what changes is seen', () =>
  onKernel(async (_, ipvs, source) => {
    await follow(source, async ({ text, press }) => {
      expect(text()).toContain('2 services')
      press('j', 'return')
      await expect.poll(text).toMatch(/^udp 192\.0\.2\.53:53 {2}2 destinations/)
      expect(text()).toMatch(/10\.1\.0\.1:53 +5 +0 +0 /)
      const id = { protocol: 'udp', address: '192.0.2.53', port: 53 } as const
      await ipvs.updateDestination(id, { address: '10.1.0.1', port: 53 }, { weight: 7 })
      await expect.poll(text).toMatch(/10\.1\.0\.1:53 +7 /)
      await ipvs.removeService(id)
      await expect.poll(text).toContain('There is no such service any more.')
      expect(text()).toContain('0 destinations')
      press('left')
      expect(text()).toContain('1 service ')
    })
  }))

test('destinations are read of the service that is shown, and of no other', () =>
  onKernel(async (_, __, source) => {
    const asked: string[] = []
    const counting: Source = {
      ...source,
      look: async (wanted) => {
        const look = await source.look(wanted)
        asked.push([...look.destinations.keys()].join())
        return look
      },
    }
    await follow(counting, async ({ text, press }) => {
      expect(new Set(asked)).toEqual(new Set(['']))
      press('return')
      await expect.poll(() => asked.at(-1)).toBe('tcp 192.0.2.80:80')
      press('left')
      await expect.poll(() => asked.at(-1)).toBe('')
      expect(text()).toContain('2 services')
    })
  }))

test('a table that cannot be read is said, with the time of the last look, and tried again', () =>
  onKernel(async (kernel, _, source) => {
    await follow(source, async ({ text, press }) => {
      for (let nth = 1; nth <= 50; nth++) kernel.fail({ of: 'read', nth, errno: 'ENOMEM' })
      await expect.poll(text).toMatch(/As of \d\d:\d\d:\d\d; trying again: .*ENOMEM/)
      expect(text()).toContain('192.0.2.53:53')
      press('j')
      expect(text()).toContain('\x1b[7mudp 192.0.2.53:53')
      await expect.poll(text).not.toContain('trying again')
    })
  }))

test('a kernel that does not answer is said too, and keys go on', () =>
  onKernel(async (_, __, source) => {
    let isStuck = false
    const stuck: Source = {
      ...source,
      look: (wanted) => (isStuck ? new Promise(() => {}) : source.look(wanted)),
    }
    await follow(stuck, async ({ text, press }) => {
      isStuck = true
      await expect.poll(text).toMatch(/As of \d\d:\d\d:\d\d: the kernel has not answered since/)
      press('/', '8', '0')
      expect(text()).toContain('1 with "80" of 2 services')
    })
  }))

test('a fault of the program ends it, and the terminal is given back first', () =>
  onKernel(async (_, __, source) => {
    let isBroken = false
    const broken: Source = {
      ...source,
      look: (wanted) => (isBroken ? Promise.reject(new TypeError('made up')) : source.look(wanted)),
    }
    const done: string[] = []
    const ended = follow(broken, async (terminal) => {
      isBroken = true
      await expect.poll(() => terminal.done).toEqual(['open', 'close'])
      done.push(...terminal.done)
    })
    await expect(ended).rejects.toThrow('made up')
    expect(done).toEqual(['open', 'close'])
  }))

test('what goes wrong while it draws ends it as well', () =>
  onKernel(async (_, __, source) => {
    const paint = () => {
      throw new TypeError('no paint')
    }
    await expect(follow(source, async () => {}, { paint })).rejects.toThrow('no paint')
  }))

test('a first look that fails is told before the terminal is taken over', () =>
  onKernel(async (_, __, source) => {
    const none = only(source, '192.0.2.99', selector('192.0.2.99'))
    const stop = new AbortController()
    const done: string[] = []
    const ended = live(
      {
        ...{ source: none, intervalMs: 10, sort: undefined, isOne: true, about: '' },
        ...{ paint: (_, text) => text, glyphs: blocks },
      },
      stop.signal,
      () => {
        const record = (what: string) => () => done.push(what)
        return {
          ...{ size: { columns: 80, rows: 10 }, open: record('open'), close: record('close') },
          ...{ suspend: record('suspend'), draw: () => true },
        }
      },
    )
    await expect(ended).rejects.toThrow(
      'there is no service 192.0.2.99; "ipvs list" shows the 2 that there are.',
    )
    expect(done).toEqual([])
  }))

test('who asks for one service sees its destinations at once, and of several the services', () =>
  onKernel(async (_, ipvs, source) => {
    const word = '192.0.2.53'
    const one = () => only(source, word, selector(word))
    await follow(
      one(),
      async ({ text }) => {
        await expect.poll(text).toMatch(/^udp 192\.0\.2\.53:53 {2}2 destinations/)
      },
      { isOne: true },
    )
    const twin = { protocol: 'tcp', address: '192.0.2.53', port: 53, scheduler: 'rr' } as const
    await ipvs.addService(twin)
    await follow(one(), async ({ text }) => expect(text()).toContain('2 services'), { isOne: true })
  }))

test('q, a terminal that goes, and a reader that goes end it', () =>
  onKernel(async (_, __, source) => {
    await follow(source, async ({ press, done }) => {
      press('q')
      await expect.poll(() => done).toContain('close')
    })
    await follow(source, async ({ events, done }) => {
      events.gone()
      await expect.poll(() => done).toContain('close')
    })
  }))

test('^Z suspends it, and another size is drawn at once', () =>
  onKernel(async (_, __, source) => {
    await follow(source, async (terminal) => {
      terminal.press('ctrl-z')
      expect(terminal.done).toContain('suspend')
      terminal.size = { columns: 30, rows: 5 }
      terminal.events.changed()
      expect(terminal.text()).toContain('ipvs top needs a window of')
    })
  }))

test('shows what a director says of destinations, and drains one by a key', async () => {
  const said: string[] = []
  let word = 'up'
  const director: Director = {
    look: async (service) =>
      new Map(
        service === 'udp 192.0.2.53:53'
          ? [
              ['10.1.0.1:53', { target: 'dns/10.1.0.1:53', word }],
              ['10.1.0.3:53', { target: 'dns/10.1.0.3:53', word: 'down' }],
            ]
          : [],
      ),
    role: async () => 'standby',
    say: async (target, admin) => {
      said.push(`${target} ${admin}`)
      word = admin === 'drain' ? 'drain' : 'up'
    },
  }
  await onKernel(async (_, __, source) => {
    await follow(
      withDirector(source, director),
      async ({ press, text }) => {
        expect(text()).not.toContain('d drain')
        await expect.poll(text).toMatch(/^ipvs top {2}\d+ services {2}standby {2}every/)
        press('d', 'down', 'enter')
        await expect
          .poll(text)
          .toMatch(
            /10\.1\.0\.1:53 +direct, up .*\n10\.1\.0\.2:53 +direct .*\n10\.1\.0\.3:53 +down /,
          )
        expect(text()).toContain('d drain')
        press('d')
        expect(text()).toContain('drain dns/10.1.0.1:53?   y yes   any other key: no')
        press('n')
        expect(text()).not.toContain('y yes')
        press('d', 'y')
        await expect.poll(text).toContain('direct, drain')
        press('d')
        expect(text()).toContain('take back dns/10.1.0.1:53?')
        press('y')
        await expect.poll(text).toContain('direct, up')
        expect(said).toEqual(['dns/10.1.0.1:53 drain', 'dns/10.1.0.1:53 ready'])
        // Of the second one no director knows.
        press('down', 'd')
        expect(text()).not.toContain('y yes')
      },
      { director },
    )
  })
})
