// What the driver can want next: a random change of a pool's servers, and the command that says it.
import type { AdminState } from 'ipvs'
import {
  type ChaosPool,
  type Command,
  candidates,
  SERVERS,
  type Wish,
  type Wishes,
} from './pools.js'
import type { Chance } from './random.js'

const FEWEST = 5

export function firstWishes(pool: ChaosPool): Wishes {
  const wish: Wish = { weight: 1, healthy: true, admin: 'ready' }
  return Object.fromEntries(
    candidates(pool)
      .slice(0, SERVERS)
      .map((server) => [server, wish]),
  )
}

/** What it is about; health most often. */
const KINDS = [
  ...(['health', 'health', 'health', 'health', 'health', 'health'] as const),
  ...(['weight', 'weight', 'admin', 'admin', 'add', 'remove', 'servers'] as const),
]

export function nextWish(
  pool: ChaosPool,
  wishes: Wishes,
  version: number,
  chance: Chance,
): { wishes: Wishes; command: Command } {
  const about = { version, pool: pool.name }
  const present = Object.keys(wishes)
  const absent = candidates(pool).filter((server) => !(server in wishes))
  const server = chance.pick(present)
  const wish = wishes[server]!
  const healthy = Object.values(wishes).filter((it) => it.healthy).length

  let kind = chance.pick(KINDS)
  if (kind === 'add' && absent.length === 0) kind = 'remove'
  if (kind === 'remove' && present.length <= FEWEST) kind = 'health'
  switch (kind) {
    case 'health': {
      // Half of them at least stay up, so that there is something to miss.
      const up = !wish.healthy
      if (!up && healthy * 2 <= present.length) return nextWish(pool, wishes, version, chance)
      const op = up ? 'up' : 'down'
      return {
        wishes: { ...wishes, [server]: { ...wish, healthy: up } },
        command: { ...about, op, server },
      }
    }
    case 'weight': {
      const weight = chance.from(1, 20)
      return {
        wishes: { ...wishes, [server]: { ...wish, weight } },
        command: { ...about, op: 'weight', server, weight },
      }
    }
    case 'admin': {
      const others: AdminState[] = ['drain', 'maintenance']
      const admin = wish.admin === 'ready' ? chance.pick(others) : 'ready'
      return {
        wishes: { ...wishes, [server]: { ...wish, admin } },
        command: { ...about, op: 'admin', server, admin },
      }
    }
    case 'add': {
      const added = chance.pick(absent)
      const weight = chance.from(1, 20)
      return {
        wishes: { ...wishes, [added]: { weight, healthy: true, admin: 'ready' } },
        command: { ...about, op: 'add', server: added, weight },
      }
    }
    case 'remove': {
      const { [server]: _, ...rest } = wishes
      return { wishes: rest, command: { ...about, op: 'remove', server } }
    }
    case 'servers': {
      const list = chance.some(candidates(pool), chance.from(FEWEST, SERVERS + 2))
      const weights = Object.fromEntries(list.map((it) => [it, chance.from(1, 20)]))
      const after = list.map((it): [string, Wish] => [
        it,
        { healthy: true, admin: 'ready', ...wishes[it], weight: weights[it]! },
      ])
      return { wishes: Object.fromEntries(after), command: { ...about, op: 'servers', weights } }
    }
  }
}
