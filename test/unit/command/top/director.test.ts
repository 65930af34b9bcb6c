import { createServer, type Socket } from 'node:net'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { directorAt } from '../../../../src/command/top/director.js'
import { serveControl } from '../../../../src/director/index.js'
import { direct, folder, twoPools } from '../../director/directed.js'

test('asks the director that runs about the destinations of a service, and tells it to drain one', async () => {
  const { director, reload } = await direct(twoPools)
  const socket = path.join(folder(), 'sock')
  const server = await serveControl(director, socket, { reload: () => reload(twoPools) })
  onTestFinished(() => server.close())
  const asked = directorAt(socket)
  const of = async (service: string) => Object.fromEntries(await asked.look(service))
  expect(await of('udp 192.0.2.53:53')).toEqual({
    '10.1.0.1:53': { target: 'dns/10.1.0.1:53', word: 'up' },
    '10.1.0.2:53': { target: 'dns/10.1.0.2:53', word: 'up' },
  })
  expect(await of('tcp 192.0.2.53:389')).toEqual({
    '10.2.0.1:389': { target: 'ldap/10.2.0.1:389', word: 'up' },
  })
  expect(await of('tcp 192.0.2.99:389')).toEqual({})
  await asked.say('dns/10.1.0.2:53', 'drain')
  expect((await of('udp 192.0.2.53:53'))['10.1.0.2:53']).toMatchObject({ word: 'drain' })
  await expect(asked.say('dns/10.9.9.9:53', 'drain')).rejects.toThrow(/no server/)
  expect(await asked.role()).toBe(undefined)
})

test('knows the role of a director that has one', async () => {
  const { director } = await direct(`${twoPools}role: { standby: keep }\n`)
  const socket = path.join(folder(), 'sock')
  const server = await serveControl(director, socket, { reload: () => Promise.reject() })
  onTestFinished(() => server.close())
  const asked = directorAt(socket)
  expect(await asked.role()).toBe('standby')
  await director.become('active')
  expect(await asked.role()).toBe('active')
})

test('a director that hangs is not waited for', async () => {
  const socket = path.join(folder(), 'sock')
  const open = new Set<Socket>()
  const silent = createServer((client) => {
    open.add(client.resume().on('close', () => open.delete(client)))
  })
  await new Promise<void>((resolve) => silent.listen(socket, resolve))
  onTestFinished(() => void silent.close())
  const hanging = directorAt(socket)
  const began = performance.now()
  expect(await Promise.all([hanging.role(), hanging.look('udp 192.0.2.53:53')])).toEqual([
    undefined,
    new Map(),
  ])
  // Of the half minute that others wait.
  expect(performance.now() - began).toBeLessThan(15_000)
  await expect.poll(() => open.size).toBe(0)
})

test('without a director there is the kernel', async () => {
  const nobody = directorAt(path.join(folder(), 'nobody'))
  expect((await nobody.look('udp 192.0.2.53:53')).size).toBe(0)
  expect(await nobody.role()).toBe(undefined)
})
