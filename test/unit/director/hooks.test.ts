import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { direct, folder } from './directed.js'

/** A program that appends what it was told to a file. */
function teller(more = '') {
  const made = folder()
  const program = path.join(made, 'tell')
  const told = path.join(made, 'told')
  const script = `#!/bin/sh\n${more}\nread event\necho "$IPVS_EVENT $IPVS_POOL $IPVS_SERVER $1 $event" >> ${told}\n`
  writeFileSync(program, script)
  chmodSync(program, 0o755)
  const lines = () => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : [])
  return { program, lines }
}

const checked = `
defaults: { scheduler: wrr, forwarding: masquerade, reconcileInterval: 0s }
pools:
  web:
    fronts: ['tcp/192.0.2.80:80']
    check: { tcp: {}, interval: 50ms, timeout: 50ms, rise: 1, fall: 1 }
    servers: ['127.0.0.1:1', '127.0.0.1:2']
`

test('starts a program for what happens to the servers it is for', async () => {
  const { program, lines } = teller()
  await direct(
    `hooks: [{ on: [down], servers: ['127.0.0.1:2'], exec: [${program}, word] }]\n${checked}`,
  )
  // The file is there before its line is whole.
  await expect.poll(() => lines()[0]).toMatch(/^down web 127\.0\.0\.1:2 word \{.*\}$/)
  const [line] = lines()
  expect(JSON.parse(line!.slice(line!.indexOf('{')))).toMatchObject({
    event: 'down',
    server: '127.0.0.1:2',
    text: expect.stringMatching(/refused/),
  })
})

test('sends to an address, in order', async () => {
  const got: string[] = []
  const server = createServer((request, answer) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      got.push((JSON.parse(body) as { server: string }).server)
      answer.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const hook = `hooks: [{ on: [down, quorum], post: 'http://127.0.0.1:${port}/hook' }]\n`
  const { events } = await direct(hook + checked)
  await expect.poll(() => got).toHaveLength(2)
  const told = events.filter(({ event }) => event === 'down').map(({ server: one }) => one)
  expect(got).toEqual(told)
})

test('a hook that fails, hangs or does not exist is told of, and holds nobody up', async () => {
  const { program } = teller('exec sleep 60')
  const { events, director } = await direct(`
hooks:
  - { on: [down], exec: [${program}], timeout: 50ms }
  - { on: [down], exec: [/nonexistent/program] }
  - { on: [down], exec: [/bin/false] }
  - { on: [down], post: 'http://127.0.0.1:1/' }
${checked}`)
  const told = () => events.filter(({ event }) => event === 'warning').map(({ text }) => text)
  await expect.poll(() => told().length, { timeout: 10_000 }).toBe(8)
  expect(
    told()
      .toSorted()
      .filter((_, index) => index % 2 === 0),
  ).toEqual([
    expect.stringMatching(/\/bin\/false has failed: it ended with status 1/),
    expect.stringMatching(/\/nonexistent\/program has failed: .*ENOENT/),
    expect.stringMatching(/tell has failed: it took too long and was ended/),
    expect.stringMatching(/127\.0\.0\.1:1\/ has failed/),
  ])
  expect(director.state().pools[0]!.servers.map(({ health }) => health)).toEqual(['down', 'down'])
})

test('is not called more often than it may', async () => {
  const { program, lines } = teller()
  const { events } = await direct(
    `hooks: [{ on: [down], exec: [${program}], perMinute: 1 }]\n${checked}`,
  )
  await expect
    .poll(() => events.filter(({ text }) => /leaves events out/.test(text)))
    .toHaveLength(1)
  await expect.poll(lines).toHaveLength(1)
})
