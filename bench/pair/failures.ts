// What goes wrong: each failure is a short story, told to whichever system is in charge. lb1 is active when it begins.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Director } from '../../lab/network/three-servers.js'

/** What a failure can do. */
export interface Stage {
  /** All processes of a director. What they have left in the kernel stays. */
  stop(director: Director, how: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** What of it does not run. */
  start(director: Director): Promise<void>
  /** keepalived alone gets SIGTERM: the director gives the address away. */
  resign(director: Director): Promise<void>
  /** What looks after the servers, alone: it is started again at once, as systemd or keepalived does. */
  killController(director: Director): Promise<void>
  restartController(director: Director): Promise<void>
  link(director: Director, state: 'up' | 'down'): Promise<void>
  /** The directors do not hear each other any more; everybody else hears both. */
  split(state: 'on' | 'off'): Promise<void>
  /** What a client knows of the network leads it to this director from now on, until it is told otherwise. */
  leadClients(director: Director): Promise<void>
  /** Until this director says that it is the master. */
  masterIs(director: Director): Promise<void>
  /** A server dies, and stays dead; until both directors have taken it out. */
  serverDies(): Promise<void>
  /** What counts as the failure begins now; by default, when the story begins. */
  begin(): void
  /** The failure is over, and who was away comes back. */
  over(): void
}

export interface Failure {
  readonly name: string
  /** In the tables. */
  readonly title: string
  /** What happens, in a sentence. */
  readonly about: string
  /** The address has to move to the other director. */
  readonly moves: boolean
  /** The director that comes back finds its table as it left it: nothing of it may change then. */
  readonly adopts: boolean
  /**
   * The directors are two of the three servers as well. From the moment that a standby has the address until it is told so, it takes
   * packets as a server that it is to pass on as a director: what that cuts is counted, and no broken promise.
   */
  readonly serversToo?: true
  readonly seconds: number
  play(stage: Stage): Promise<void>
}

/** So long a director is away: longer than VRRP needs to notice. */
const awayMs = 5000
/** Then it is seen whether its return harms anybody. */
const backMs = 4000

const leaveAndReturn =
  (how: 'SIGTERM' | 'SIGKILL') =>
  async (stage: Stage): Promise<void> => {
    await stage.stop('lb1', how)
    await sleep(awayMs)
    stage.over()
    await stage.start('lb1')
    await sleep(backMs)
  }

const defined = [
  {
    name: 'sigterm',
    title: 'active stopped',
    about: 'All processes of the active director get SIGTERM, and are started again after 5 s.',
    moves: true,
    adopts: true,
    seconds: 25,
    play: leaveAndReturn('SIGTERM'),
  },
  {
    name: 'kill-9',
    title: 'active killed',
    about: 'All processes of the active director get SIGKILL, and are started again after 5 s.',
    moves: true,
    adopts: true,
    seconds: 25,
    play: leaveAndReturn('SIGKILL'),
  },
  {
    name: 'link-loss',
    title: 'link lost',
    about: "The active director's cable is pulled, and plugged in again after 5 s.",
    moves: true,
    adopts: false,
    seconds: 30,
    play: async (stage) => {
      await stage.link('lb1', 'down')
      await sleep(awayMs)
      stage.over()
      await stage.link('lb1', 'up')
      await sleep(backMs)
    },
  },
  {
    name: 'controller-killed',
    title: 'controller killed',
    about:
      "What looks after the servers on the active director gets SIGKILL, and is started again at once: keepalived's checker, `ipvs run`. VRRP goes on.",
    moves: false,
    adopts: true,
    seconds: 20,
    play: async (stage) => {
      await stage.killController('lb1')
      stage.over()
      await sleep(awayMs)
    },
  },
  {
    name: 'two-masters',
    title: 'two masters',
    about:
      'The directors do not hear each other, clients and servers hear both; for 5 s both are master, and clients reach the new one and then the old one. Then the directors hear each other again.',
    moves: true,
    adopts: true,
    seconds: 30,
    play: async (stage) => {
      await stage.split('on')
      await stage.masterIs('lb2')
      await sleep(2500)
      await stage.leadClients('lb1')
      await sleep(2500)
      stage.over()
      await stage.split('off')
      await sleep(backMs)
    },
  },
  {
    name: 'upgrade',
    title: 'rolling upgrade',
    about:
      "The standby's controller is restarted; then all of the active director is stopped, the other one takes over, and it is started again. Then the address goes back in the same way.",
    moves: true,
    adopts: true,
    seconds: 35,
    play: async (stage) => {
      await stage.restartController('lb2')
      await sleep(backMs)
      stage.begin()
      await stage.stop('lb1', 'SIGTERM')
      await stage.masterIs('lb2')
      stage.over()
      await stage.start('lb1')
      await sleep(backMs)
      await stage.stop('lb2', 'SIGTERM')
      await stage.masterIs('lb1')
      await stage.start('lb2')
      await sleep(backMs)
    },
  },
  {
    name: 'server-dead',
    title: 'active stopped, a server is dead',
    about:
      'A server has died and both directors have taken it out; then all processes of the active one get SIGTERM, and are started again after 5 s.',
    moves: true,
    adopts: true,
    seconds: 35,
    play: async (stage) => {
      await stage.serverDies()
      stage.begin()
      await leaveAndReturn('SIGTERM')(stage)
    },
  },
  {
    name: 'servers-too',
    title: 'directors that are servers',
    about:
      'Each director is one of the three servers as well; ours has `backupOnly: true` in its role. What is lost counts from the first query on. Then keepalived on the active one gets SIGTERM, and is started again after 5 s.',
    moves: true,
    adopts: true,
    serversToo: true,
    seconds: 25,
    play: async (stage) => {
      await stage.resign('lb1')
      await sleep(awayMs)
      stage.over()
      await stage.start('lb1')
      await sleep(backMs)
    },
  },
] as const satisfies readonly Failure[]

export type FailureName = (typeof defined)[number]['name']
export const failures: readonly (Failure & { readonly name: FailureName })[] = defined
