import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Overrides } from '../../../src/director/overrides.js'
import { StateFile } from '../../../src/director/state-file.js'
import { folder } from './directed.js'

const data = { dns: { '10.1.0.1:53': { admin: 'drain', since: 1 } } }

const kept = (file: string, value: () => unknown = () => data) => new StateFile(file, value)

async function saved(): Promise<string> {
  const file = path.join(folder(), 'deep/state.json')
  await kept(file).save()
  return file
}

test('keeps what it was given, for its owner only', async () => {
  const file = await saved()
  expect(await kept(file).load()).toEqual({ data, trouble: undefined })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(path.dirname(file)).toSorted()).toEqual(['state.json', 'state.json.copy'])
})

test('without a file there is nothing, and nothing is wrong', async () => {
  const file = path.join(folder(), 'state.json')
  expect(await kept(file).load()).toEqual({ data: undefined, trouble: undefined })
})

const damages: readonly (readonly [string, (text: string) => string])[] = [
  ['cut in half', (text) => text.slice(0, text.length / 2)],
  ['empty', () => ''],
  ['zeroes', (text) => '\0'.repeat(text.length)],
  ['changed in a place', (text) => text.replace('drain', 'ready')],
  ['another version', (text) => text.replace('"version": 1', '"version": 2')],
  ['null', () => 'null'],
]

test.each(damages)('one of the two %s: the other one is taken', async (_, damage) => {
  for (const which of ['', '.copy']) {
    const file = await saved()
    writeFileSync(file + which, damage(readFileSync(file + which, 'utf8')))
    const { data: found, trouble } = await kept(file).load()
    expect(found).toEqual(data)
    expect(trouble).toContain(file + which)
    expect(trouble).toMatch(/the other copy was taken$/)
  }
})

test.each(damages)(
  'both %s: that is said, and the next save makes them whole',
  async (_, damage) => {
    const file = await saved()
    for (const one of [file, `${file}.copy`]) writeFileSync(one, damage(readFileSync(one, 'utf8')))
    const state = kept(file)
    const { data: found, trouble } = await state.load()
    expect(found).toBe(undefined)
    expect(trouble).toMatch(/nothing is known of what was done by hand$/)
    await state.save()
    expect(await kept(file).load()).toEqual({ data, trouble: undefined })
  },
)

test('the newer of the two counts', async () => {
  const file = await saved()
  const old = readFileSync(file, 'utf8')
  const state = kept(file, () => ({ ...data, more: {} }))
  await state.load()
  await state.save()
  writeFileSync(`${file}.copy`, old)
  expect((await kept(file).load()).data).toEqual({ ...data, more: {} })
})

test('notices that somebody has changed it, and writes it again', async () => {
  const file = path.join(folder(), 'state.json')
  const state = kept(file)
  await state.load()
  expect(await state.guard()).toBe(false)
  await state.save()
  expect(await state.guard()).toBe(false)
  for (const harm of [
    () => writeFileSync(file, 'x'),
    () => rmSync(file),
    () => rmSync(`${file}.copy`),
  ]) {
    harm()
    expect(await state.guard()).toBe(true)
    expect(await kept(file).load()).toEqual({ data, trouble: undefined })
  }
})

test('calls while it writes share the next write', async () => {
  const file = path.join(folder(), 'state.json')
  let value = 0
  let writes = 0
  const state = kept(file, () => {
    writes++
    return { value }
  })
  const save = () => {
    value++
    return state.save()
  }
  await Promise.all(Array.from({ length: 100 }, save))
  expect((await kept(file).load()).data).toEqual({ value: 100 })
  expect(writes).toBe(1)
})

test('what cannot be written rejects, and what was there stays', async () => {
  const file = await saved()
  const blocked = kept(file, () => ({}))
  await blocked.load()
  rmSync(`${file}.new`, { force: true })
  mkdirSync(`${file}.new`)
  chmodSync(path.dirname(file), 0o700)
  await expect(blocked.save()).rejects.toThrow(/EISDIR/)
  expect((await kept(file).load()).data).toEqual(data)
})

test('overrides take only what is one, whatever the file has', () => {
  const overrides = new Overrides()
  overrides.load({
    dns: {
      a: { admin: { word: 'drain' } },
      b: { admin: { word: 'x' } },
      c: { weight: { word: -1 } },
      d: null,
      e: { admin: 'drain' },
    },
    ldap: 3,
    web: { f: { weight: { word: 5, until: 2 }, admin: { word: 'ready', until: 'soon' } } },
  })
  expect(overrides.toJSON()).toEqual({
    dns: { a: { admin: { word: 'drain' } } },
    web: { f: { weight: { word: 5, until: 2 }, admin: { word: 'ready' } } },
  })
  expect(overrides.expire(3)).toEqual([{ pool: 'web', server: 'f' }])
  for (const nothing of [undefined, null, 3, 'x', []]) overrides.load(nothing)
  expect(overrides.toJSON()).toEqual({
    dns: { a: { admin: { word: 'drain' } } },
    web: { f: { admin: { word: 'ready' } } },
  })
})

test('what cannot be read is put aside before it is written over', async () => {
  const file = await saved()
  for (const one of [file, `${file}.copy`]) writeFileSync(one, 'of a newer version')
  const state = kept(file)
  await state.load()
  expect(readFileSync(file, 'utf8')).toBe('of a newer version')
  await state.save()
  expect(readFileSync(`${file}.unreadable`, 'utf8')).toBe('of a newer version')
  expect(await kept(file).load()).toEqual({ data, trouble: undefined })
})
