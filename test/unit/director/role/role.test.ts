import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  constants,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { Ipvs } from '../../../../src/client.js'
import { Director, readConfig } from '../../../../src/director/index.js'
import type { PoolRole } from '../../../../src/pool/api.js'
import { MemoryKernel } from '../../../../src/testing/index.js'
import { direct, folder, twoPools } from '../directed.js'

const SYNC = 'sync: { interface: eth0, syncId: 51 }'
const withRole = (role: string) => `${twoPools}role: { ${role} }\n`
const daemons = async (client: Ipvs) => (await client.syncDaemons()).map(({ role }) => role)
const services = (kernel: MemoryKernel) =>
  kernel
    .rules()
    .split('\n')
    .filter((line) => line.startsWith('-A'))

/** A busy machine takes its time. */
const eventually = <T>(look: () => T | Promise<T>) => vi.waitFor(look, { timeout: 60_000 })

/** As keepalived writes: it waits for no reader. */
function announce(fifo: string, lines: string): void {
  const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  writeSync(fd, lines)
  closeSync(fd)
}

test('without the key a director has no role, and says so to whom asks for one', async () => {
  const { director } = await direct(twoPools)
  expect(director.role).toBeUndefined()
  await expect(director.become('active')).rejects.toMatchObject({
    code: 'ERR_IPVS_ARGUMENT',
    option: 'role',
  })
})

test('it begins as a standby where nothing says otherwise, and becomes what it is told', async () => {
  const { director, client, kernel } = await direct(withRole(SYNC))
  expect(director.role).toMatchObject({
    role: 'standby',
    reached: true,
    from: expect.stringMatching(/nothing says otherwise/),
  })
  expect(await daemons(client)).toEqual(['backup'])
  const before = kernel.rules()
  await director.become('active')
  expect(director.role).toMatchObject({ role: 'active', reached: true, from: 'by hand' })
  expect(director.role!.sync).toMatchObject([{ role: 'master', interface: 'eth0', syncId: 51 }])
  expect(await daemons(client)).toEqual(['master'])
  // Both roles have the services: what is synced needs them.
  expect(kernel.rules()).toBe(before)
})

test('the same again does nothing, and is no event', async () => {
  const { director, client, events } = await direct(withRole(SYNC))
  await director.become('active')
  const start = vi.spyOn(client, 'startSyncDaemon')
  const stop = vi.spyOn(client, 'stopSyncDaemon')
  events.length = 0
  await director.become('active')
  expect([start.mock.calls, stop.mock.calls, events]).toEqual([[], [], []])
})

test('backup_only follows the role where the file says so, and is left alone where it does not', async () => {
  const following = await direct(withRole(`${SYNC}, backupOnly: true`))
  expect(await following.client.sysctls()).toMatchObject({ backup_only: 1 })
  await following.director.become('active')
  expect(await following.client.sysctls()).toMatchObject({ backup_only: 0 })
  await following.director.become('standby')
  expect(following.director.role).toMatchObject({ backupOnly: true, reached: true })

  const kernel = new MemoryKernel({ sysctls: { backup_only: 1 } })
  const leaving = await direct(withRole(SYNC), kernel)
  await leaving.director.become('active')
  expect(await leaving.client.sysctls()).toMatchObject({ backup_only: 1 })
  expect(leaving.director.role).toMatchObject({ backupOnly: true })
})

test('an active one forwards before its daemon changes; a standby stops to forward last', async () => {
  const { director, client } = await direct(withRole(`${SYNC}, backupOnly: true`))
  const done: string[] = []
  const record = (name: 'setSysctl' | 'startSyncDaemon' | 'stopSyncDaemon') => {
    const call = client[name].bind(client) as (...args: unknown[]) => Promise<void>
    client[name] = ((...args: unknown[]) => {
      done.push(name)
      return call(...args)
    }) as never
  }
  record('setSysctl')
  record('startSyncDaemon')
  record('stopSyncDaemon')
  await director.become('active')
  expect(done.splice(0)).toEqual(['setSysctl', 'stopSyncDaemon', 'startSyncDaemon'])
  await director.become('standby')
  expect(done).toEqual(['stopSyncDaemon', 'startSyncDaemon', 'setSysctl'])
})

test('both daemons run in both roles where the file says both', async () => {
  const { director, client } = await direct(withRole('sync: { interface: eth0, daemons: both }'))
  expect(await daemons(client)).toEqual(['master', 'backup'])
  const start = vi.spyOn(client, 'startSyncDaemon')
  await director.become('active')
  expect(start).not.toHaveBeenCalled()
})

test('a standby that withdraws has no services; they come with the servers that are healthy by then, in one batch', async () => {
  const { director, kernel, sent } = await direct(withRole('standby: withdraw'))
  expect(services(kernel)).toEqual([])
  const pools = [...director.pools()]
  await pools[0]!.down('10.1.0.1')
  expect(kernel.rules()).toBe('')
  sent.length = 0
  await director.become('active')
  expect(sent.filter(({ op }) => op === 'ensure-service')).toHaveLength(3)
  expect(kernel.rules().split('\n').filter(Boolean).toSorted()).toEqual([
    '-A -t 192.0.2.53:389 -s wrr',
    '-A -t 192.0.2.53:53 -s wrr',
    '-A -u 192.0.2.53:53 -s wrr -o',
    '-a -t 192.0.2.53:389 -r 10.2.0.1:389 -g -w 1',
    '-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 3',
    '-a -u 192.0.2.53:53 -r 10.1.0.2:53 -g -w 3',
  ])
  await director.become('standby')
  expect(kernel.rules()).toBe('')
})

test('a reload keeps the role, and new pools are told it', async () => {
  const { director, kernel, reload } = await direct(withRole('standby: withdraw'))
  const more = twoPools.replace(
    '  ldap:',
    "  mail:\n    fronts: ['tcp/192.0.2.53:25']\n    servers: ['10.3.0.1']\n  ldap:",
  )
  await reload(`${more}role: { standby: withdraw }\n`)
  expect(kernel.rules()).toBe('')
  await director.become('active')
  expect(services(kernel)).toHaveLength(4)
  // Another configuration of the role, or none.
  await director.become('standby')
  await reload(more)
  await eventually(() => expect(services(kernel)).toHaveLength(4))
  expect(director.role).toBeUndefined()
})

test('a reload can bring a role, and another one', async () => {
  const { director, client, kernel, reload } = await direct(twoPools)
  await reload(withRole(`${SYNC}, standby: withdraw`))
  // It had the services: nobody takes them away for a new line in the file.
  await eventually(() => expect(director.role).toMatchObject({ role: 'active', reached: true }))
  expect(await daemons(client)).toEqual(['master'])
  expect(services(kernel)).toHaveLength(3)
  await director.become('standby')
  expect(kernel.rules()).toBe('')
  await reload(withRole('sync: { interface: eth0, syncId: 52, daemons: both }'))
  await eventually(async () =>
    expect((await client.syncDaemons()).map(({ syncId }) => syncId)).toEqual([52, 52]),
  )
  await eventually(() => expect(services(kernel)).toHaveLength(3))
})

test.each(['startSyncDaemon', 'stopSyncDaemon', 'syncDaemons', 'setSysctl', 'sysctls'] as const)(
  'it gets there after %s has failed, at each of its calls, and says so meanwhile',
  async (name) => {
    for (const target of ['active', 'standby'] as PoolRole[]) {
      for (let nth = 1; nth <= 4; nth++) {
        const { director, client, events } = await direct(
          withRole(`${SYNC}, backupOnly: true, standby: withdraw`),
        )
        if (target === 'standby') await director.become('active')
        const call = client[name].bind(client) as (...args: unknown[]) => Promise<never>
        let calls = 0
        client[name] = ((...args: unknown[]) =>
          ++calls === nth ? Promise.reject(new Error('no answer')) : call(...args)) as never
        const told = await director.become(target).then(
          () => undefined,
          ({ message }: Error) => message,
        )
        if (calls >= nth) {
          expect(told).toBe(`the role ${target} is not complete, it is tried again: no answer`)
          expect(events.filter(({ event }) => event === 'error')).toHaveLength(1)
        } else expect(told).toBeUndefined()
        await eventually(() => expect(director.role).toMatchObject({ role: target, reached: true }))
        client[name] = call as never
        expect(director.role!.trouble).toBeUndefined()
        expect(await daemons(client)).toEqual([target === 'active' ? 'master' : 'backup'])
        expect(await client.sysctls()).toMatchObject({ backup_only: target === 'active' ? 0 : 1 })
      }
    }
  },
)

test('whatever is said meanwhile, the last word wins', async () => {
  const { director, client, kernel } = await direct(
    withRole(`${SYNC}, backupOnly: true, standby: withdraw`),
  )
  const words = Array.from(
    { length: 40 },
    (_, at): PoolRole => (at % 3 === 0 ? 'active' : 'standby'),
  )
  const all: Promise<unknown>[] = []
  for (const [at, word] of words.entries()) {
    all.push(director.become(word))
    for (let turns = 0; turns < at % 5; turns++) await new Promise(setImmediate)
  }
  await Promise.all(all)
  await eventually(() => expect(director.role).toMatchObject({ role: 'active', reached: true }))
  expect(await daemons(client)).toEqual(['master'])
  expect(await client.sysctls()).toMatchObject({ backup_only: 0 })
  expect(services(kernel)).toHaveLength(3)
})

test('a daemon that somebody else has stopped or changed is put right', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    const { director, client, events } = await direct(withRole(SYNC))
    await director.become('active')
    await client.ensureSyncDaemons([{ role: 'master', interface: 'eth0', syncId: 7 }])
    vi.advanceTimersByTime(5000)
    await eventually(async () =>
      expect(await client.syncDaemons()).toMatchObject([{ role: 'master', syncId: 51 }]),
    )
    expect(events.filter(({ event }) => event === 'warning')).toMatchObject([
      { text: expect.stringMatching(/changed by somebody else: put right for active/) },
    ])
  } finally {
    vi.useRealTimers()
  }
})

test('when it stops the daemons stay, or go with the services', async () => {
  const kernel = new MemoryKernel()
  const leaving = await direct(withRole(SYNC), kernel)
  await leaving.director.become('active')
  await leaving.director.stop('leave')
  const client = await Ipvs.open({ kernel })
  expect(await daemons(client)).toEqual(['master'])
  const next = await Director.open(await readConfig(withRole(SYNC), { file: 'test.yaml' }), {
    client,
  })
  await next.stop('withdraw')
  expect(await daemons(client)).toEqual([])
  await client.close()
})

test('a file or a program that says active at the start costs no service a moment', async () => {
  const where = folder()
  const file = path.join(where, 'role')
  writeFileSync(file, 'active')
  const program = path.join(where, 'who')
  writeFileSync(program, '#!/bin/sh\necho MASTER\n')
  chmodSync(program, 0o700)
  for (const follow of [`{ file: ${file} }`, `{ command: [${program}] }`]) {
    const kernel = new MemoryKernel()
    const before = await direct(twoPools, kernel)
    await before.director.stop('leave')
    const { director, sent } = await direct(
      withRole(`follow: ${follow}, standby: withdraw`),
      kernel,
    )
    expect(director.role).toMatchObject({ role: 'active' })
    expect(sent.filter(({ op }) => op.includes('no-') || op.startsWith('remove'))).toEqual([])
    await director.stop('leave')
  }
})

test('backup_only goes with the configuration that has set it', async () => {
  const { director, client, reload } = await direct(withRole(`${SYNC}, backupOnly: true`))
  expect(await client.sysctls()).toMatchObject({ backup_only: 1 })
  await reload(withRole(SYNC))
  await eventually(async () => expect(await client.sysctls()).toMatchObject({ backup_only: 0 }))
  await reload(withRole(`${SYNC}, backupOnly: true`))
  await eventually(async () => expect(await client.sysctls()).toMatchObject({ backup_only: 1 }))
  await reload(twoPools)
  await eventually(async () => expect(await client.sysctls()).toMatchObject({ backup_only: 0 }))
  expect(director.role).toBeUndefined()
})

test('a role that a reload could not bring is brought by the next one', async () => {
  const { director, client, reload } = await direct(twoPools)
  const read = vi.spyOn(client, 'syncDaemons').mockRejectedValueOnce(new Error('no answer'))
  await expect(reload(withRole(SYNC))).rejects.toThrow('no answer')
  await reload(withRole(SYNC))
  await eventually(() => expect(director.role).toMatchObject({ role: 'standby', reached: true }))
  read.mockRestore()
})

test('a setting that cannot be made keeps no service from an active one', async () => {
  const { director, client, kernel } = await direct(
    withRole(`${SYNC}, backupOnly: true, standby: withdraw`),
  )
  const fails = vi.spyOn(client, 'setSysctl').mockRejectedValue(new Error('read-only'))
  await expect(director.become('active')).rejects.toThrow(/read-only/)
  expect(services(kernel)).toHaveLength(3)
  expect(await daemons(client)).toEqual(['master'])
  fails.mockRestore()
  await eventually(() => expect(director.role).toMatchObject({ reached: true, backupOnly: false }))
})

test('a FIFO in place of a file is said, and waits for nobody', async () => {
  const fifo = path.join(folder(), 'role')
  execFileSync('mkfifo', [fifo])
  const { director } = await direct(withRole(`follow: { file: ${fifo}, interval: 100ms }`))
  await eventually(() => expect(director.role!.trouble).toMatch(/is no file/))
})

test.each([
  ['a sync master that runs', SYNC, 'active', /a sync master runs/],
  ['services that are there', 'standby: withdraw', 'active', /the kernel holds the services/],
])('in another namespace the kernel says what it was: %s', async (_, role, expected, from) => {
  const kernel = new MemoryKernel()
  const client = await Ipvs.open({ kernel })
  const config = await readConfig(withRole(role), { file: 'test.yaml', netns: 'other' })
  const open = () => Director.open(config, { client })
  const first = await open()
  expect(first.role).toMatchObject({ role: 'standby' })
  await first.become('active')
  await first.stop('leave')
  const second = await open()
  expect(second.role).toMatchObject({ role: expected, from: expect.stringMatching(from) })
  await second.stop('leave')
  await client.close()
})

test('the role is what a file says, and stays when it says nothing', async () => {
  const file = path.join(folder(), 'role')
  writeFileSync(file, 'MASTER\n')
  const { director, events } = await direct(
    withRole(`follow: { file: ${file}, interval: 100ms }, ${SYNC}`),
  )
  const is = (role: PoolRole) =>
    eventually(() => expect(director.role).toMatchObject({ role, reached: true }))
  await is('active')
  writeFileSync(`${file}.new`, 'backup and more words')
  renameSync(`${file}.new`, file)
  await is('standby')
  writeFileSync(file, 'perhaps')
  await eventually(() => expect(director.role!.trouble).toMatch(/"perhaps", which is no role/))
  rmSync(file)
  await eventually(() => expect(director.role!.trouble).toMatch(/ENOENT/))
  expect(director.role).toMatchObject({ role: 'standby' })
  writeFileSync(file, 'active')
  await is('active')
  expect(director.role!.trouble).toBeUndefined()
  // The first may have come before anybody listened.
  const told = events.filter(({ event }) => event === 'role').map(({ text }) => text)
  expect(told.slice(-2)).toEqual([
    expect.stringMatching(/the role is standby: .*role: backup$/),
    expect.stringMatching(/the role is active: .*role: active$/),
  ])
})

test('the role is what a program prints; one that fails or does not end changes nothing', async () => {
  const where = folder()
  const program = path.join(where, 'who')
  const script = (text: string) => {
    writeFileSync(`${program}.new`, `#!/bin/sh\n${text}\n`)
    chmodSync(`${program}.new`, 0o700)
    renameSync(`${program}.new`, program)
  }
  script('echo MASTER')
  const { director } = await direct(
    withRole(`follow: { command: [${program}], interval: 100ms }, ${SYNC}`),
  )
  await eventually(() => expect(director.role).toMatchObject({ role: 'active' }))
  script('echo it is broken >&2; exit 3')
  await eventually(() => expect(director.role!.trouble).toMatch(/it is broken/))
  expect(director.role).toMatchObject({ role: 'active' })
  script('echo standby')
  await eventually(() => expect(director.role).toMatchObject({ role: 'standby' }))
})

test("the role is what keepalived's FIFO says, also when it is made anew, and what was said while nobody read", async () => {
  const fifo = path.join(folder(), 'run', 'vrrp')
  const { director, events } = await direct(
    withRole(`follow: { fifo: ${fifo}, instance: VI_1 }, ${SYNC}`),
  )
  const is = (role: PoolRole) =>
    eventually(() => expect(director.role).toMatchObject({ role, reached: true }))
  await eventually(() => expect(statSync(fifo).isFIFO()).toBe(true))
  expect(statSync(fifo).mode & 0o777).toBe(0o600)
  announce(
    fifo,
    'INSTANCE "VI_2" MASTER 100\nINSTANCE "VI_1" BACKUP 90\nINSTANCE "VI_1" MASTER 100\n',
  )
  await is('active')
  announce(fifo, 'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 100\n')
  await eventually(() =>
    expect(events.filter(({ event }) => event === 'warning')).toMatchObject([
      { text: expect.stringMatching(/another director announces that it is master as well/) },
    ]),
  )
  // keepalived removes the one that it has made, and makes another.
  rmSync(fifo)
  execFileSync('mkfifo', [fifo])
  await eventually(() => {
    announce(fifo, 'INSTANCE "VI_1" FAULT 100\n')
    expect(director.role).toMatchObject({ role: 'standby' })
  })
  await director.stop('leave')
})

test('what is no FIFO is said, and nothing is written over', async () => {
  const file = path.join(folder(), 'vrrp')
  writeFileSync(file, 'mine')
  const { director } = await direct(withRole(`follow: { fifo: ${file}, instance: VI_1 }`))
  await eventually(() => expect(director.role!.trouble).toMatch(/is there already, and is no FIFO/))
})

test('it takes the words of a notify script, and leaves those of other instances', async () => {
  const fifo = path.join(folder(), 'vrrp')
  const { director } = await direct(withRole(`follow: { fifo: ${fifo}, instance: VI_1 }, ${SYNC}`))
  expect(await director.announced(['INSTANCE', 'VI_1', 'MASTER', '100'])).toMatchObject({
    role: 'active',
    from: 'keepalived: INSTANCE VI_1 MASTER 100',
  })
  expect(await director.announced(['INSTANCE', 'VI_2', 'BACKUP', '100'])).toMatchObject({
    role: 'active',
  })
  await expect(director.announced(['MASTER'])).rejects.toMatchObject({ code: 'ERR_IPVS_ARGUMENT' })
  await expect(director.announced('MASTER' as never)).rejects.toMatchObject({
    code: 'ERR_IPVS_ARGUMENT',
  })
})

test.each([
  ['follow: { fifo: /run/x }', /role\.follow must have either "instance" or "group"/],
  ['follow: { fifo: /run/x, file: /run/y }', /role\.follow must be \{ fifo/],
  ['follow: { command: who }', /role\.follow\.command must be a list/],
  ['follow: { file: /x, interval: 5 }', /role\.follow\.interval must be a time with a unit/],
  ['sync: { interface: eth0, syncId: 256 }', /role\.sync\.syncId .*255/],
  ['sync: { interface: eth0, group: 10.0.0.1 }', /role\.sync\.group .*multicast/],
  ['sync: { syncId: 3 }', /role\.sync\.interface/],
  ['sync: { interface: eth0, role: master }', /role\.sync\.role must be left out/],
  [
    'sync: { interface: eth0, daemons: all }',
    /role\.sync\.daemons must be one of "follow", "both"/,
  ],
  ['sync: { interface: eth0, id: 3 }', /role\.sync\.id must be left out: there is no such key/],
  [
    'standby: kept',
    /role\.standby must be one of "keep", "withdraw", did you mean "keep"|role\.standby/,
  ],
  ['backupOnly: 1', /role\.backupOnly must be true or false/],
  ['backupOnly: true', /role\.backupOnly must be left out without "sync"/],
  ['folow: {}', /did you mean "follow"/],
])('a mistake in role: %s', async (role, expected) => {
  await expect(readConfig(withRole(role), { file: 'test.yaml' })).rejects.toThrow(expected)
})
