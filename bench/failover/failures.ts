// What goes wrong: each failure is a short story, told to whichever system is in charge.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Protocol } from '../../lab/witness/members.js'

/** What a failure can do. The victim is one of the three servers. */
export interface Stage {
  /** Words of failover/server.ts. */
  order(...words: string[]): void
  killServer(): Promise<void>
  /** Another process, which has waited for it: a start of Node takes a second there, and the CPU. */
  startServer(): void
  signalServer(signal: NodeJS.Signals): void
  link(state: 'up' | 'down'): Promise<void>
  stopController(how: 'SIGTERM' | 'SIGKILL'): Promise<void>
  startController(): Promise<void>
  ipvsadm(...words: string[]): Promise<void>
  /** From now on, the victim gives no good answers over these protocols; or does again. */
  dead(...protocols: Protocol[]): void
  alive(): void
  /** What counts as the failure begins now; by default, when the story begins. */
  begin(): void
}

export interface Failure {
  readonly name: string
  /** In the tables. */
  readonly title: string
  /** What happens, in a sentence. */
  readonly about: string
  /** To a server, which has to go; or to the controller or its table, which has to be as it was. */
  readonly to: 'server' | 'table'
  /** It comes half an interval after a check over this protocol. */
  readonly after: Protocol
  readonly seconds: number
  /** The story starts the victim again. */
  readonly spare?: true
  play(stage: Stage): Promise<void>
}

/** How long a failure lasts: all systems get the same time, so that losses can be compared. */
const lastsMs = 8000

const both: readonly Protocol[] = ['tcp', 'udp']

/** One way to fail and to come back, for as long as the others. */
const once =
  (protocols: readonly Protocol[], fail: Act, restore: Act) =>
  async (stage: Stage): Promise<void> => {
    stage.dead(...protocols)
    await fail(stage)
    await sleep(lastsMs)
    await restore(stage)
    stage.alive()
  }
type Act = (stage: Stage) => void | Promise<void>

const defined = [
  {
    name: 'process-death',
    spare: true,
    title: 'process killed',
    about: 'The server process gets SIGKILL: TCP is refused, UDP is answered with ICMP.',
    to: 'server',
    after: 'tcp',
    seconds: 18,
    play: once(
      both,
      (stage) => stage.killServer(),
      (stage) => stage.startServer(),
    ),
  },
  {
    name: 'link-loss',
    title: 'link lost',
    about: "The server's cable is pulled: packets to it vanish.",
    to: 'server',
    after: 'tcp',
    seconds: 18,
    play: once(
      both,
      (stage) => stage.link('down'),
      (stage) => stage.link('up'),
    ),
  },
  {
    name: 'hung',
    title: 'process hangs',
    about:
      'The server process gets SIGSTOP: the kernel goes on accepting connections, nobody answers.',
    to: 'server',
    after: 'tcp',
    seconds: 18,
    play: once(
      both,
      (stage) => stage.signalServer('SIGSTOP'),
      (stage) => stage.signalServer('SIGCONT'),
    ),
  },
  {
    name: 'slow',
    title: 'slow answers',
    about: 'Every answer takes 3 s; the clients wait for 2 s, and checks for 0.5 s.',
    to: 'server',
    after: 'tcp',
    seconds: 18,
    play: once(
      both,
      (stage) => stage.order('slow'),
      (stage) => stage.order('quick'),
    ),
  },
  {
    name: 'udp-dead',
    title: 'UDP dead, TCP alive',
    about: 'The UDP port is closed, the TCP port answers.',
    to: 'server',
    after: 'udp',
    seconds: 18,
    play: once(
      ['udp'],
      (stage) => stage.order('udp-off'),
      (stage) => stage.order('udp-on'),
    ),
  },
  {
    name: 'tcp-dead',
    title: 'TCP dead, UDP alive',
    about: 'The TCP port is closed, the UDP port answers.',
    to: 'server',
    after: 'tcp',
    seconds: 18,
    play: once(
      ['tcp'],
      (stage) => stage.order('tcp-off'),
      (stage) => stage.order('tcp-on'),
    ),
  },
  {
    name: 'flapping',
    title: 'flapping',
    about: 'Both ports are closed for 3 s and open for 3 s, three times.',
    to: 'server',
    after: 'tcp',
    seconds: 26,
    play: async (stage) => {
      for (let round = 1; ; round++) {
        stage.dead(...both)
        stage.order('tcp-off', 'udp-off')
        await sleep(3000)
        stage.order('tcp-on', 'udp-on')
        stage.alive()
        if (round === 3) return
        await sleep(3000)
      }
    },
  },
  {
    name: 'restart',
    title: 'controller restarted',
    about: 'The controller gets SIGTERM, and is started again when it has ended.',
    to: 'table',
    after: 'tcp',
    seconds: 18,
    play: async (stage) => {
      await stage.stopController('SIGTERM')
      await stage.startController()
      await sleep(lastsMs)
    },
  },
  {
    name: 'killed',
    title: 'controller killed',
    about: 'The controller gets SIGKILL, and is started again at once.',
    to: 'table',
    after: 'tcp',
    seconds: 18,
    play: async (stage) => {
      await stage.stopController('SIGKILL')
      await stage.startController()
      await sleep(lastsMs)
    },
  },
  {
    name: 'restart-while-down',
    spare: true,
    title: 'controller restarted, a server is dead',
    about: 'A server was killed 5 s ago and has been taken out; then the controller is restarted.',
    to: 'table',
    after: 'tcp',
    seconds: 24,
    play: async (stage) => {
      stage.dead(...both)
      await stage.killServer()
      await sleep(5000)
      stage.begin()
      await stage.stopController('SIGTERM')
      await stage.startController()
      await sleep(lastsMs)
      stage.startServer()
      stage.alive()
    },
  },
  {
    name: 'flush',
    title: 'table flushed',
    about: 'Somebody types `ipvsadm -C`.',
    to: 'table',
    after: 'tcp',
    seconds: 18,
    play: async (stage) => {
      await stage.ipvsadm('-C')
      await sleep(lastsMs)
    },
  },
  {
    name: 'udp-deleted',
    title: 'UDP service deleted',
    about: 'Somebody types `ipvsadm -D -u 192.0.2.53:53`.',
    to: 'table',
    after: 'tcp',
    seconds: 18,
    play: async (stage) => {
      await stage.ipvsadm('-D', '-u', '192.0.2.53:53')
      await sleep(lastsMs)
    },
  },
] as const satisfies readonly Failure[]

export type FailureName = (typeof defined)[number]['name']
export const failures: readonly (Failure & { readonly name: FailureName })[] = defined
