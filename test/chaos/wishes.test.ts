import { expect, it } from 'vitest'
import { type Command, POOLS, type Wish, type Wishes } from './pools.js'
import { Chance } from './random.js'
import { firstWishes, nextWish } from './wishes.js'

/** What a controller that knows the pool makes of a command. */
function obey(wishes: Wishes, command: Command): Wishes {
  if (command.op === 'servers') {
    const fresh: Wish = { weight: 0, healthy: true, admin: 'ready' }
    const list = Object.entries(command.weights)
    return Object.fromEntries(
      list.map(([server, weight]) => [server, { ...fresh, ...wishes[server], weight }]),
    )
  }
  const { [command.server]: wish, ...others } = wishes
  if (command.op === 'remove') return others
  if (command.op === 'add') {
    expect(wish).toBeUndefined()
    const { weight } = command
    return { ...wishes, [command.server]: { weight, healthy: true, admin: 'ready' } }
  }
  const change = {
    up: { healthy: true },
    down: { healthy: false },
    weight: { weight: command.op === 'weight' ? command.weight : 0 },
    admin: { admin: command.op === 'admin' ? command.admin : 'ready' },
  }[command.op]
  return { ...wishes, [command.server]: { ...wish!, ...change } }
}

it('a command says what has changed, every kind comes, and servers are left', () => {
  const chance = new Chance(5)
  const seen = new Set<string>()
  for (const pool of POOLS) {
    let wishes = firstWishes(pool)
    for (let version = 1; version <= 1000; version++) {
      const next = nextWish(pool, wishes, version, chance)
      expect(next.wishes).toEqual(obey(wishes, next.command))
      expect(next.command).toMatchObject({ version, pool: pool.name })
      seen.add(next.command.op)
      wishes = next.wishes
      expect(Object.keys(wishes).length).toBeGreaterThanOrEqual(5)
      expect(Object.values(wishes).some(({ healthy }) => healthy)).toBe(true)
    }
  }
  expect([...seen].sort()).toEqual(['add', 'admin', 'down', 'remove', 'servers', 'up', 'weight'])
})

it('the same seed draws the same', () => {
  const draw = (seed: number) => {
    const chance = new Chance(seed)
    return Array.from({ length: 20 }, () => chance.from(1, 100))
  }
  expect(draw(3)).toEqual(draw(3))
  expect(draw(3)).not.toEqual(draw(4))
  expect(new Chance(1).some([1, 2, 3], 3).sort()).toEqual([1, 2, 3])
})
