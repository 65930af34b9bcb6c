// A director's role on the real kernel: daemons, backup_only and services as ipvsadm and /proc see them.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { Director, readConfig } from '../../src/director/index.js'
import { type Namespace, namespace } from './namespace.js'

const file = (role: string) => `
defaults: { scheduler: wrr, forwarding: direct }
pools:
  dns:
    fronts: ['192.0.2.53:53']
    servers: ['10.1.0.1', { address: 10.1.0.2, weight: 3 }]
  web:
    fronts: ['tcp/192.0.2.53:80']
    servers: ['10.1.0.3']
role: { ${role} }
`
const ALL = [
  '-A -t 192.0.2.53:53 -s wrr',
  '-A -t 192.0.2.53:80 -s wrr',
  '-A -u 192.0.2.53:53 -s wrr -o',
  '-a -t 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1',
  '-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 3',
  '-a -t 192.0.2.53:80 -r 10.1.0.3:80 -g -w 1',
  '-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1',
  '-a -u 192.0.2.53:53 -r 10.1.0.2:53 -g -w 3',
]

/** With an interface for the daemons, and routes to servers. */
function network(): Namespace {
  const space = namespace()
  for (const words of [
    'link add sync0 type dummy',
    'address add 172.16.0.1/24 dev sync0',
    'link set sync0 up',
    'address add 10.1.0.254/24 dev sync0',
    'address add 192.0.2.1/24 dev sync0',
  ])
    space.run(['ip', ...words.split(' ')])
  return space
}

const daemons = (space: Namespace) =>
  space
    .ipvsadm('-l', '--daemon')
    .split('\n')
    .filter(Boolean)
    .map((line) =>
      line
        .replace(/,? *mcast=|, /g, ' ')
        .replace(/\s+/g, ' ')
        .replaceAll(/[()]/g, '')
        .trim(),
    )
    .toSorted()
const backupOnly = (space: Namespace) =>
  space.run(['cat', '/proc/sys/net/ipv4/vs/backup_only']).trim()

async function direct(space: Namespace, role: string) {
  const client = await space.open()
  const config = await readConfig(file(role), { file: 'test.yaml', netns: space.name })
  const director = await Director.open(config, { client })
  return {
    director,
    async [Symbol.asyncDispose]() {
      await director.stop('leave')
      await client.close()
    },
  }
}

kernelSuite('a role', () => {
  test('is in the kernel: its daemon, backup_only, and services that stay', async () => {
    using space = network()
    await using it = await direct(space, 'sync: { interface: sync0, syncId: 51 }, backupOnly: true')
    const { director } = it
    const seen = () => [daemons(space), backupOnly(space), space.rules()]
    expect(seen()).toEqual([[expect.stringMatching(/^backup sync daemon.*sync0.*51/)], '1', ALL])
    for (let round = 0; round < 3; round++) {
      expect(await director.become('active')).toMatchObject({ reached: true, backupOnly: false })
      expect(seen()).toEqual([[expect.stringMatching(/^master sync daemon.*sync0.*51/)], '0', ALL])
      expect(await director.become('standby')).toMatchObject({ reached: true, backupOnly: true })
      expect(seen()).toEqual([[expect.stringMatching(/^backup sync daemon.*sync0.*51/)], '1', ALL])
    }
  })

  test('without services in a standby, which come and go with one batch', async () => {
    using space = network()
    await using it = await direct(space, 'standby: withdraw')
    expect(space.rules()).toEqual([])
    await it.director.become('active')
    expect(space.rules()).toEqual(ALL)
    await it.director.become('standby')
    expect(space.rules()).toEqual([])
  })

  test('is made again when daemons are changed under it, and reached when an interface comes late', async () => {
    using space = network()
    space.run(['ip', 'link', 'set', 'sync0', 'name', 'away0'])
    await using it = await direct(space, 'sync: { interface: sync0, syncId: 51, daemons: both }')
    expect(it.director.role).toMatchObject({
      reached: false,
      trouble: expect.stringMatching(/sync0/),
    })
    space.run(['ip', 'link', 'set', 'away0', 'name', 'sync0'])
    await expect.poll(() => daemons(space), { timeout: 60_000 }).toHaveLength(2)
    space.ipvsadm('--stop-daemon', 'backup')
    await expect.poll(() => daemons(space), { timeout: 60_000 }).toHaveLength(2)
    await expect.poll(() => it.director.role, { timeout: 60_000 }).toMatchObject({ reached: true })
  })

  test('follows a file from outside, within the file and no other', async () => {
    using space = network()
    const who = path.join(space.folder, 'role')
    writeFileSync(who, 'MASTER')
    await using it = await direct(
      space,
      `follow: { file: ${who}, interval: 100ms }, sync: { interface: sync0 }`,
    )
    await expect
      .poll(() => daemons(space), { timeout: 60_000 })
      .toEqual([expect.stringMatching(/^master/)])
    writeFileSync(who, 'BACKUP')
    await expect
      .poll(() => daemons(space), { timeout: 60_000 })
      .toEqual([expect.stringMatching(/^backup/)])
    expect(readFileSync(who, 'utf8')).toBe('BACKUP')
    expect(it.director.role).toMatchObject({ role: 'standby' })
  })
})
