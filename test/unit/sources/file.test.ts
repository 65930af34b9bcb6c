import { on, once } from 'node:events'
import fs, { type FSWatcher } from 'node:fs'
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest'
import type { PoolServer } from '../../../src/servers.js'
import { type WatchServersOptions, watchServers } from '../../../src/sources/index.js'

/** A poll that never comes: what is seen is seen by watching. */
const NO_POLL = { intervalMs: 86_400_000 } satisfies WatchServersOptions

type Iterator = AsyncIterator<PoolServer[]>

let directory: string
let path: string
/** What the source waits for: its time passes when a test says so. */
let timers: MockInstance<typeof setTimeout>
/** The real one, unless a test says otherwise. */
let watch: MockInstance<typeof fs.watch>
const iterators: Iterator[] = []

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  timers = vi.spyOn(globalThis, 'setTimeout')
  watch = vi.spyOn(fs, 'watch')
  syncBuiltinESMExports()
  directory = await mkdtemp(join(tmpdir(), 'ipvs-servers-'))
  path = join(directory, 'servers')
})

afterEach(async () => {
  vi.restoreAllMocks()
  syncBuiltinESMExports()
  vi.useRealTimers()
  for (const iterator of iterators.splice(0)) await iterator.return!()
  await rm(directory, { recursive: true })
})

function iterate(options?: WatchServersOptions, file = path): Iterator {
  const iterator = watchServers(file, options)[Symbol.asyncIterator]()
  iterators.push(iterator)
  return iterator
}

/** What a promise gives, while time passes for the source. */
async function soon<T>(promise: PromiseLike<T>): Promise<T> {
  let over = false
  const end = () => {
    over = true
  }
  promise.then(end, end)
  while (!over) {
    vi.advanceTimersByTime(10)
    await turn()
  }
  return promise
}

async function listOf(pending: Promise<IteratorResult<PoolServer[]>>): Promise<PoolServer[]> {
  const { done, value } = await soon(pending)
  if (done) throw new Error('the iteration has ended')
  return value
}

const next = (iterator: Iterator) => listOf(iterator.next())

/** The first list of a file with this text. */
async function read(text: string): Promise<PoolServer[]> {
  await writeFile(path, text)
  return next(iterate())
}

const isOpen = async (promise: Promise<unknown>) =>
  (await Promise.race([promise, turn('open')])) === 'open'

/** How often a look has begun: with waiting until the file has been the same for 100 ms. */
const looks = () => timers.mock.calls.filter(([, ms]) => ms === 100).length
/** Every look is over, and the source waits for a reason for another. */
const isIdle = () => vi.getTimerCount() === 1 && timers.mock.lastCall?.[1] === NO_POLL.intervalMs

const one = { address: '10.1.0.1' }
const two = { address: '10.1.0.2' }
const three = { address: '10.1.0.3' }

describe('formats', () => {
  it('reads one server per line', async () => {
    const text = `
# the first rack
10.1.0.1
  10.1.0.2:5353   10   # the big one
2001:DB8:0::1\t0\r
[2001:db8::2]:53#no space
10.1.0.3 2`
    expect(await read(text)).toEqual([
      one,
      { address: '10.1.0.2', port: 5353, weight: 10 },
      { address: '2001:db8::1', weight: 0 },
      { address: '2001:db8::2', port: 53 },
      { address: '10.1.0.3', weight: 2 },
    ])
  })

  it('reads a JSON array', async () => {
    const text = `\uFEFF
      [ "10.1.0.1", "[2001:db8::2]:53",
        { "address": "10.1.0.2", "port": 53, "weight": 5, "upperThreshold": 9, "lowerThreshold": 3 },
        { "address": "10.1.0.3", "secondAddress": "2001:DB8::3" } ]`
    expect(await read(text)).toEqual([
      one,
      { address: '2001:db8::2', port: 53 },
      { address: '10.1.0.2', port: 53, weight: 5, upperThreshold: 9, lowerThreshold: 3 },
      { address: '10.1.0.3', secondAddress: '2001:db8::3' },
    ])
  })

  it('takes a bracketed address in the first line for what it is', async () => {
    expect(await read('[2001:db8::1]:53 4\n[::2]\n')).toEqual([
      { address: '2001:db8::1', port: 53, weight: 4 },
      { address: '::2' },
    ])
  })

  it.each(['', '\n', '# nobody\n', '[]', ' [ ]\n'])('takes %j for an empty list', async (text) => {
    expect(await read(text)).toEqual([])
  })

  it.each<[text: string, message: string]>([
    ['10.1.0.1\n\nweb1\n', ':3 must be an IPv4 or IPv6 address, not a host name: look it up first'],
    ['10.1.0.1:0', ':1 must be a server with a port from 1 to 65535, or without a port'],
    [
      '#\n10.1.0.1 heavy',
      ':2 must be an address and a weight in digits; received "10.1.0.1 heavy"',
    ],
    ['10.1.0.1 -1', ':1 must be an address and a weight in digits'],
    ['10.1.0.1 2147483648', ':1: weight must be an integer from 0 to 2147483647'],
    ['10.1.0.1 1 up', ':1 must be "address[:port] [weight]"; received "10.1.0.1 1 up"'],
    ['["10.1.0.1", "10.1.0.256"]', '[1] must be an IPv4 address with octets from 0 to 255'],
    ['10.1.0.1 2\n10.1.0.1:53\n\n10.1.0.1 3', ':4 must be a server that is not there twice: '],
    ['["2001:db8::1", "[2001:DB8:0::1]"]', '[1] must be a server that is not there twice: '],
    ['[{ "address": "10.1.0.1", "wieght": 3 }]', '[0].wieght must be left out: there is no such'],
    ['[{ "address": "10.1.0.1", "weight": "3" }]', '[0].weight must be a number, not a string'],
    ['["10.1.0.1",\n "10.1.0.2"\n "10.1.0.3"]', ':3: not valid JSON: Expected'],
    ['["10.1.0.1",', ': not valid JSON: Unexpected end of JSON input; correct it'],
    ['{ "servers": [] }', ': the JSON is an object, but should be an array such as'],
  ])('refuses %j', async (text, message) => {
    const error: unknown = await read(text).catch((error) => error)
    expect(error).toBeInstanceOf(Error)
    expect((error as Error).message.startsWith(path + message), (error as Error).message).toBe(true)
  })

  it('gives errors about a server the code of a bad argument', async () => {
    const option = `${path}:1`
    await expect(read('web1')).rejects.toMatchObject({ code: 'ERR_IPVS_ARGUMENT', option })
  })
})

describe('changes', () => {
  it('sees a file that is written in place', async () => {
    await writeFile(path, '10.1.0.1\n')
    const iterator = iterate(NO_POLL)
    expect(await next(iterator)).toEqual([one])
    await appendFile(path, '10.1.0.2\n')
    expect(await next(iterator)).toEqual([one, two])
    await writeFile(path, '["10.1.0.3"]')
    expect(await next(iterator)).toEqual([three])
  })

  it('sees a file that is replaced, again and again', async () => {
    await writeFile(path, '10.1.0.1\n')
    const iterator = iterate(NO_POLL)
    expect(await next(iterator)).toEqual([one])
    for (const server of [two, three, one]) {
      await writeFile(`${path}~`, server.address)
      await rename(`${path}~`, path)
      expect(await next(iterator)).toEqual([server])
    }
  })

  it('sees a Kubernetes config map change: a link to a link to a directory', async () => {
    for (const [version, { address }] of [['v1', one] as const, ['v2', two] as const]) {
      await mkdir(join(directory, version))
      await writeFile(join(directory, version, 'servers'), address)
    }
    await symlink('v1', join(directory, '..data'))
    await symlink('..data/servers', path)
    const iterator = iterate(NO_POLL)
    expect(await next(iterator)).toEqual([one])
    await symlink('v2', join(directory, '..data_tmp'))
    await rename(join(directory, '..data_tmp'), join(directory, '..data'))
    expect(await next(iterator)).toEqual([two])
  })

  it('loses no change that comes before it is asked for the next', async () => {
    await writeFile(path, '10.1.0.1')
    const iterator = iterate(NO_POLL)
    expect(await next(iterator)).toEqual([one])
    const seen = once(theWatcher(), 'change')
    await writeFile(path, '10.1.0.2')
    await seen
    expect(await next(iterator)).toEqual([two])
  })

  it('does not read what is half written', async () => {
    await writeFile(path, '10.1.0.1')
    const iterator = iterate(NO_POLL)
    await next(iterator)
    const list = iterator.next()
    const file = await open(path, 'w')
    const pieces = ['10.1', '.0.2\n', '10.1.0.3', '\n# and', ' no more', '\n10.1.0.1']
    for (const [index, piece] of pieces.entries()) {
      await expect.poll(looks).toBe(index + 1)
      await file.write(piece)
      vi.advanceTimersByTime(100)
    }
    await file.close()
    expect(await listOf(list)).toEqual([two, three, one])
  })

  it('does not mind that a file is away while it is being replaced', async () => {
    await writeFile(path, '10.1.0.1')
    const iterator = iterate(NO_POLL)
    await next(iterator)
    const list = iterator.next()
    await unlink(path)
    await expect.poll(looks).toBe(1)
    await writeFile(path, '10.1.0.2')
    expect(await listOf(list)).toEqual([two])
  })

  it('says nothing if the list is the same', async () => {
    await writeFile(path, '10.1.0.1 # one')
    const iterator = iterate(NO_POLL)
    await next(iterator)
    const list = iterator.next()
    await writeFile(path, '["10.1.0.1"]')
    await soon(expect.poll(() => looks() > 0 && isIdle()).toBe(true))
    expect(await isOpen(list)).toBe(true)
    await writeFile(path, '["10.1.0.2"]')
    expect(await listOf(list)).toEqual([two])
  })

  it('is not held up by other files of a busy directory', async () => {
    await writeFile(path, '10.1.0.1')
    const iterator = iterate(NO_POLL)
    await next(iterator)
    await writeFile(path, '10.1.0.2')
    const list = iterator.next()
    await expect.poll(looks).toBe(1)
    for (let write = 0; write < 5; write++) {
      const seen = once(theWatcher(), 'change')
      await writeFile(join(directory, 'other'), String(write))
      await seen
      vi.advanceTimersByTime(20)
    }
    expect((await list).value).toEqual([two])
  })

  it('are looked for when there is a reason only', async () => {
    await writeFile(path, '10.1.0.1')
    const iterator = iterate(NO_POLL)
    await next(iterator)
    await writeFile(path, '10.1.0.2')
    await next(iterator)
    const pending = iterator.next()
    // What has happened while the file was read is looked into once more: until all has been reported.
    const reports = on(theWatcher(), 'change')
    await mkdir(join(directory, 'last'))
    for await (const [, name] of reports) if (name === 'last') break
    await soon(expect.poll(isIdle).toBe(true))
    const before = looks()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await isOpen(pending)).toBe(true)
    expect(looks()).toBe(before)
  })

  describe('that are not reported', () => {
    it('are seen every intervalMs: behind a link to another directory', async () => {
      const elsewhere = join(directory, 'elsewhere')
      await mkdir(elsewhere)
      await mkdir(join(directory, 'here'))
      await writeFile(join(elsewhere, 'servers'), '10.1.0.1')
      const link = join(directory, 'here', 'servers')
      await symlink(join(elsewhere, 'servers'), link)
      const watching = iterate(NO_POLL, link)
      const polling = iterate({ intervalMs: 100 }, link)
      expect(await next(watching)).toEqual([one])
      expect(await next(polling)).toEqual([one])
      const unseen = watching.next()
      await writeFile(join(elsewhere, 'servers'), '10.1.0.2')
      expect(await next(polling)).toEqual([two])
      expect(await isOpen(unseen)).toBe(true)
    })

    it('are seen every intervalMs: without inotify', async () => {
      watch.mockImplementationOnce(() => {
        throw Object.assign(new Error('ENOSPC: no space left on device, watch'), { code: 'ENOSPC' })
      })
      await writeFile(path, '10.1.0.1')
      const iterator = iterate({ intervalMs: 100 })
      expect(await next(iterator)).toEqual([one])
      await writeFile(path, '10.1.0.2')
      expect(await next(iterator)).toEqual([two])
    })

    it('are seen every intervalMs: when watching has failed meanwhile', async () => {
      await writeFile(path, '10.1.0.1')
      const iterator = iterate({ intervalMs: 100 })
      expect(await next(iterator)).toEqual([one])
      theWatcher().emit('error', new Error('EPERM'))
      await writeFile(path, '10.1.0.2')
      expect(await next(iterator)).toEqual([two])
    })
  })
})

describe('failures', () => {
  it('says which file is not there, and what to do', async () => {
    await expect(next(iterate())).rejects.toMatchObject({
      code: 'ENOENT',
      message: `${path} cannot be read: no such file or directory (ENOENT); create it, with one server per line, or correct the path`,
    })
    await expect(next(iterate({}, directory))).rejects.toThrow(
      `${directory} cannot be read: illegal operation on a directory (EISDIR); give the path of a file inside`,
    )
  })

  it('ends the iteration when the file goes; the next one starts afresh', async () => {
    const source = watchServers(path, NO_POLL)
    await writeFile(path, '10.1.0.1')
    const first = source[Symbol.asyncIterator]()
    expect(await next(first)).toEqual([one])
    const gone = first.next()
    await unlink(path)
    await expect(soon(gone)).rejects.toThrow(`${path} cannot be read: no such file`)
    expect(await first.next()).toEqual({ done: true, value: undefined })

    await writeFile(path, '10.1.0.1')
    const second = source[Symbol.asyncIterator]()
    iterators.push(second)
    expect(await next(second)).toEqual([one])
    await writeFile(path, 'nonsense')
    await expect(next(second)).rejects.toThrow(`${path}:1 must be`)
  })

  it.each<[option: string, path: unknown, options: unknown]>([
    ['path', undefined, undefined],
    ['path', '', undefined],
    ['path', 'a\0b', undefined],
    ['options.intervalMs', '/a', { intervalMs: 99 }],
    ['options.intervalMs', '/a', { intervalMs: '5000' }],
    ['options.signal', '/a', { signal: {} }],
    ['options.interval', '/a', { interval: 1000 }],
  ])('refuses a bad %s: %j, %j', (option, path, options) => {
    expect(() => watchServers(path as string, options as WatchServersOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})

describe('ending', () => {
  it.each(['return', 'signal'] as const)('by %s ends a wait and stops watching', async (how) => {
    await writeFile(path, '10.1.0.1')
    const end = new AbortController()
    const iterator = iterate({ ...NO_POLL, signal: end.signal })
    await next(iterator)
    const close = vi.spyOn(theWatcher(), 'close')
    const pending = iterator.next()
    if (how === 'return') await iterator.return!()
    else end.abort()
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(close).toHaveBeenCalled()
  })

  it('by signal, before the first list', async () => {
    const iterator = iterate({ signal: AbortSignal.abort() })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })

  it('leaves a loop as usual', async () => {
    await writeFile(path, '10.1.0.1')
    const loop = async () => {
      for await (const list of watchServers(path, NO_POLL)) return list
      return undefined
    }
    expect(await soon(loop())).toEqual([one])
    expect(watch).toHaveBeenCalled()
  })

  it('is not needed for the process to exit', async () => {
    await writeFile(path, '10.1.0.1')
    timers.mockRestore()
    vi.useRealTimers()
    timers = vi.spyOn(globalThis, 'setTimeout')
    const iterator = iterate({ intervalMs: 54_321 })
    await iterator.next()
    const pending = iterator.next()
    const index = timers.mock.calls.findIndex(([, ms]) => ms === 54_321)
    expect((timers.mock.results[index]!.value as NodeJS.Timeout).hasRef()).toBe(false)
    expect(watch.mock.lastCall![1]).toEqual({ persistent: false })
    await iterator.return!()
    await pending
  })
})

it('reads a relative path from where the process was when it was given', async () => {
  await writeFile(path, '10.1.0.1')
  const here = process.cwd()
  process.chdir(directory)
  const source = watchServers('servers', NO_POLL)
  process.chdir(here)
  const iterator = source[Symbol.asyncIterator]()
  iterators.push(iterator)
  expect(await next(iterator)).toEqual([one])
})

/** The one that was made last. */
function theWatcher(): FSWatcher {
  return watch.mock.results.at(-1)!.value as FSWatcher
}
