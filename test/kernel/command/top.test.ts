// ipvs top on the real kernel: what it prints, and what a terminal shows while keys are typed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { kernelSuite } from '../../../lab/guest/suite.js'
import { Tmux } from '../../../lab/terminal/tmux.js'
import { parseRules } from '../../../src/rules/index.js'
import { ipvs as client, ns, setUp } from '../setup.js'
import { bin, ipvs } from './command.js'
import { json } from './schemas.js'

const RULES = `-A -t 192.0.2.80:80 -s wlc -p 300
-a -t 192.0.2.80:80 -r 10.1.0.1:80 -m -w 1
-A -u 127.0.0.1:5353 -s wrr
-a -u 127.0.0.1:5353 -r 127.0.0.1:5354 -m -w 3
-a -u 127.0.0.1:5353 -r 127.0.0.1:5355 -m -w 0
`
/** Sends ten datagrams a second through IPVS, each of a client of its own, until it is ended. */
const SENDER = `setInterval(() => {
  const socket = require('dgram').createSocket('udp4')
  socket.send('x', 5353, '127.0.0.1', () => socket.close())
}, 100)`

kernelSuite('ipvs top', () => {
  setUp()

  const make = (rules = RULES) => client.reconcile(parseRules(rules), { prune: true })
  const here = (...words: string[]) => ipvs(['top', ...words, '--netns', ns.name])
  const first = (text: string) => text.split('\n')[0]!.split(/ +/)

  describe('without a terminal', () => {
    test('--once is a table of rates', async () => {
      await make()
      const { status, stdout, stderr } = here('--once', '--sort', 'name')
      expect([status, stderr]).toEqual([0, ''])
      expect(stdout).toMatch(
        /^SERVICE .*\ntcp 192\.0\.2\.80:80 +wlc persistent 300s( +0){5}\nudp 127\.0\.0\.1:5353 +wrr( +0){5}\n$/,
      )
      expect(first(stdout)).toEqual([
        ...['SERVICE', 'SCHEDULER', 'CONN/S', 'IN-PKT/S', 'OUT-PKT/S', 'IN-B/S', 'OUT-B/S'],
      ])
    })

    test('a service is shown with its destinations', async () => {
      await make()
      const { status, stdout } = here('--once', '--sort', 'weight', 'udp/127.0.0.1')
      expect(status).toBe(0)
      expect(first(stdout).slice(2, 5)).toEqual(['WEIGHT', 'ACTIVE', 'INACTIVE'])
      expect(stdout).toMatch(/:5354 +masquerade +3 .*\n +127\.0\.0\.1:5355 +masquerade +0 /)
      expect(stdout).not.toContain('192.0.2.80')
    })

    test('--json is a document, with destinations where a service was named', async () => {
      await make()
      const all = json('top', here('--once', '--json').stdout)
      expect(all).toMatchObject({ source: 'kernel', lacks: [] })
      expect(all.services).toHaveLength(2)
      expect(all.services[0].rates.inBytes).toBe(0)
      expect(all.services[0]).not.toHaveProperty('destinations')
      const [one] = json('top', here('--once', '--json', 'udp/127.0.0.1').stdout).services
      expect(one.destinations).toHaveLength(2)
      expect(one.destinations[0].rates.connections).toBe(0)
    })

    test('in a pipe each look is a block with its time, until it is ended', async () => {
      await make()
      const child = spawn(process.execPath, [bin, 'top', '--interval', '100ms', '--netns', ns.name])
      const ended = once(child, 'exit')
      let text = ''
      for await (const chunk of child.stdout.setEncoding('utf8')) {
        text += chunk
        if (text.split('\n\n').length > 2) child.kill('SIGTERM')
      }
      expect((await ended)[0]).toBe(0)
      for (const block of text.trimEnd().split('\n\n')) {
        expect(block).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z\nSERVICE .*\n(udp|tcp) .*\n(udp|tcp) .*$/)
      }
      // Nobody can know rates of the first look.
      expect(text.split('\n')[2]).toMatch(/( +-){5}$/)
    })

    test('a rate is what the counters say, and what begins anew has none for a while', async () => {
      await make()
      const sender = spawn('ip', ['netns', 'exec', ns.name, process.execPath, '-e', SENDER])
      const words = ['top', '--json', '--interval', '1s', 'udp/127.0.0.1', '--netns', ns.name]
      const child = spawn(process.execPath, [bin, ...words], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      try {
        const seen: { atMs: number; count: number; rate?: number }[] = []
        let isZeroed = false
        for await (const line of createInterface({ input: child.stdout })) {
          const { time, services } = json('top', `${line}\n`)
          const { stats, rates } = services[0]
          const last = {
            atMs: Date.parse(time),
            count: Number(stats.inPackets),
            rate: rates?.inPackets,
          }
          seen.push(last)
          if (isZeroed && last.rate === undefined) break
          const from = seen.findLast(({ atMs }) => last.atMs - atMs >= 3600)
          if (from === undefined || from.count === 0) continue
          const rate = (1000 * (last.count - from.count)) / (last.atMs - from.atMs)
          // The times that are shown are not those that were measured.
          expect(Math.abs(last.rate! / rate - 1), JSON.stringify(seen)).toBeLessThan(0.1)
          if (!isZeroed) await client.zero()
          isZeroed = true
        }
        expect(isZeroed).toBe(true)
        for (const { rate = 0 } of seen) expect(rate).toBeLessThan(100)
      } finally {
        child.kill()
        sender.kill()
      }
    })
  })

  describe('on a terminal', () => {
    const SERVICES = 60
    const table = Array.from({ length: SERVICES }, (_, n) => {
      const service = `192.0.2.${n + 1}:53`
      return `-A -u ${service} -s ${n % 2 === 0 ? 'rr' : 'wrr'}
-a -u ${service} -r 10.1.0.1:53 -g -w 1
-a -u ${service} -r 10.1.0.${n + 2}:53 -g -w 0
`
    }).join('')

    /** Starts it, and sees afterwards that the shell has its terminal back. */
    async function onTerminal(work: (tmux: Tmux) => Promise<void>, ...words: string[]) {
      await make(table)
      using tmux = new Tmux(ns.folder, { ipvs: [process.execPath, bin] })
      await tmux.shows(/^\$/m)
      const settings = (name: string) => path.join(ns.folder, name)
      tmux.line(`stty -a > ${settings('before')}; echo ready`)
      await tmux.shows(/^ready$/m)
      tmux.line(['ipvs', 'top', '--netns', ns.name, '--sort', 'name', ...words].join(' '))
      await tmux.shows(/^ipvs top {2}|^udp /)
      await work(tmux)
      await tmux.shows(/^1 0$/m, tmux.flags)
      tmux.line(`echo status $?; stty -a > ${settings('after')}; echo again`)
      await tmux.shows(/^again$/m)
      expect(readFileSync(settings('after'), 'utf8')).toBe(readFileSync(settings('before'), 'utf8'))
      // What was there before is there again, and nothing of the view.
      expect(tmux.text()).toMatch(/^ready$/m)
      expect(tmux.text()).not.toContain('IN-PKT/S')
    }
    const pid = () => {
      const found = ns.run(['pgrep', '-f', `ipvs.cjs top --netns ${ns.name}`]).trim()
      return Number(found)
    }

    test('it scrolls, filters, sorts, and leads to destinations and back', async () => {
      await onTerminal(async (tmux) => {
        await tmux.shows(/^ipvs top {2}1-20 of 60 services .*\d\d:\d\d:\d\d$/m)
        await tmux.shows(/^enter destinations .* q quit$/m)
        expect(tmux.flags()).toBe('0 1\n')
        tmux.keys('End')
        await tmux.shows(/41-60 of 60 services/)
        await tmux.shows(/^udp 192\.0\.2\.60:53 /m)
        expect(tmux.styled()).toContain('\x1b[7mudp 192.0.2.60:53')
        tmux.keys('/')
        tmux.type('2.1')
        await tmux.shows(/11 with "2\.1" of 60 services[\s\S]*\n\/2\.1_ /)
        tmux.keys('Enter', 'Home', 'Down')
        await tmux.shows('\x1b[7mudp 192.0.2.10:53', tmux.styled)
        tmux.keys('r')
        await tmux.shows(/SERVICE▲[\s\S]*2\.19:53[\s\S]*2\.18:53[\s\S]*2\.1:53/)
        tmux.keys('>')
        await tmux.shows(/▼CONN\/S/)
        tmux.keys('Escape')
        await tmux.shows(/1-20 of 60 services/)
        // Who is selected stays so.
        tmux.keys('Right')
        await tmux.shows(/^udp 192\.0\.2\.10:53 {2}2 destinations/m)
        await tmux.shows(/^10\.1\.0\.11:53 +0 +0 +0 /m)
        await tmux.shows('\x1b[33m10.1.0.11:53', tmux.styled)
        tmux.keys('Left')
        await tmux.shows(/60 services/)
        tmux.keys('?')
        await tmux.shows(/any key: back/)
        tmux.keys('x')
        await tmux.shows(/60 services/)
        tmux.keys('q')
        await tmux.shows(/^ready$/m)
      })
    })

    test('what changes in the table is seen', async () => {
      await onTerminal(
        async (tmux) => {
          await tmux.shows(/60 services/)
          await client.flush()
          await tmux.shows(/0 services/)
          await make(table)
          await tmux.shows(/60 services/)
          tmux.keys('C-c')
        },
        '--interval',
        '200ms',
      )
    })

    test('without privilege it shows what /proc has, and says what that lacks', async () => {
      await onTerminal(async (tmux) => {
        tmux.keys('q')
        await tmux.shows(/^ready$/m)
        const nobody = 'setpriv --reuid=65534 --regid=65534 --clear-groups'
        const command = `${process.execPath} ${bin} top --sort name 192.0.2.7`
        tmux.line(`ip netns exec ${ns.name} ${nobody} ${command}`)
        await tmux.shows(/^\/proc\/net\/ip_vs has no counters, so that there are no rates\.$/m)
        await tmux.shows(/^DESTINATION▼ +METHOD +WEIGHT +ACTIVE +INACTIVE$/m)
        await tmux.shows(/^10\.1\.0\.8:53 +direct +0 +0 +0$/m)
        tmux.keys('Left')
        await tmux.shows(/^udp 192\.0\.2\.7:53 +rr +0 +0$/m)
        tmux.keys('q')
        await tmux.shows(/^ipvs top: this is what \/proc/m)
        tmux.line('clear; echo ready')
        await tmux.shows(/^ready$/m)
      })
    })

    test('it follows the size of its window, down to nothing', async () => {
      await onTerminal(async (tmux) => {
        tmux.resize({ columns: 120, rows: 40 })
        await tmux.shows(/1-36 of 60 services/)
        await tmux.shows(/^SERVICE▼ +SCHEDULER .*IN-PKT\/S *$/m)
        tmux.resize({ columns: 40, rows: 8 })
        await tmux.shows(/^udp 192\.0\.2\.4:53 /m)
        for (const line of tmux.text().split('\n')) expect(line.length).toBeLessThanOrEqual(40)
        tmux.resize({ columns: 20, rows: 4 })
        await tmux.shows(/^ipvs top needs a win/m)
        tmux.resize({ columns: 2, rows: 1 })
        tmux.resize({ columns: 80, rows: 24 })
        await tmux.shows(/1-20 of 60 services/)
        tmux.keys('q')
      })
    })

    test.each(['TERM', 'HUP', 'INT'])(
      'SIG%s gives the terminal back, and ends with 0',
      async (name) => {
        await onTerminal(async (tmux) => {
          process.kill(pid(), `SIG${name}`)
          await tmux.shows(/^ready$/m)
          tmux.line('echo "status $?"')
          await tmux.shows(/^status 0$/m)
        })
      },
    )

    test('an error in its middle gives the terminal back too, and is told on it', async () => {
      const preload = path.join(ns.folder, 'preload.cjs')
      await onTerminal(async (tmux) => {
        tmux.keys('q')
        await tmux.shows(/^ready$/m)
        const fault = `process.on('SIGUSR2', () => { throw new Error('made up') })`
        tmux.line(`echo "${fault}" > ${preload}`)
        tmux.line(`NODE_OPTIONS='--require ${preload}' ipvs top --netns ${ns.name}`)
        await tmux.shows(/60 services/)
        process.kill(pid(), 'SIGUSR2')
        await tmux.shows(/Error: made up/)
        tmux.line('clear; echo ready')
        await tmux.shows(/^ready$/m)
      })
    })

    test('^Z leads to the shell, and fg back', async () => {
      await onTerminal(async (tmux) => {
        tmux.keys('C-z')
        await tmux.shows(/Stopped +ipvs top/)
        expect(tmux.flags()).toBe('1 0\n')
        tmux.line('fg')
        await tmux.shows(/1-20 of 60 services/)
        tmux.keys('j')
        await tmux.shows('\x1b[7mudp 192.0.2.2:53', tmux.styled)
        process.kill(pid(), 'SIGSTOP')
        await tmux.shows(/Stopped/)
        tmux.line('fg')
        await tmux.shows(/^udp 192\.0\.2\.2:53 /m)
        tmux.keys('q')
      })
    })
  })
})
