// A new attribute of the kernel's: what follows from its entry in src/fields.ts, and where the compiler asks for the rest.
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Layout } from '../../src/kernel/addon.js'
import { type CheckedChange, checkChange } from '../../src/validate.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const DESTINATION = 'export interface Destination extends DestinationId {'
const SERVICE = 'export interface ServiceSettings {'

/** Copies of the sources: with the attribute in the types alone, and with its entry too. */
let named = ''
let entered = ''

beforeAll(async () => {
  named = await copySources()
  entered = await copySources()
  for (const copy of [named, entered]) {
    await insert(copy, 'types.ts', DESTINATION, ' readonly colour?: number;')
    await insert(copy, 'types.ts', SERVICE, ' readonly taste?: string;')
  }
  await insert(
    entered,
    'kernel/addon.ts',
    "    | 'destinationWeight'",
    "\n    | 'destinationColour' | 'serviceTaste'",
  )
  await insert(
    entered,
    'fields.ts',
    'export const DESTINATION_FIELDS = {',
    "colour: { record: { colour: ['u32', 'destinationColour'] }, rule: '-w', full: ({ colour }) => colour ?? 0 },",
  )
  await insert(
    entered,
    'fields.ts',
    'export const SERVICE_FIELDS = {',
    "taste: { record: { taste: ['name', 'serviceTaste'] }, rule: '-s', full: ({ taste }) => taste },",
  )
})

afterAll(async () => {
  for (const copy of [named, entered]) await rm(copy, { recursive: true, force: true })
})

async function copySources(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'ipvs-fields-'))
  for (const name of ['src', 'tsconfig.base.json', 'package.json']) {
    await cp(join(root, name), join(copy, name), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** Puts `text` behind the first `place` of a file of a copy. */
async function insert(copy: string, file: string, place: string, text: string): Promise<void> {
  const path = join(copy, 'src', file)
  const before = await readFile(path, 'utf8')
  expect(before, file).toContain(place)
  await writeFile(path, before.replace(place, `${place}${text}`))
}

/** The files of a copy that do not compile; pools ask for what a server of theirs may have. */
function refused(copy: string): Promise<string[]> {
  return new Promise((resolve) => {
    const args = [
      join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      join(copy, 'src'),
      '--noEmit',
    ]
    execFile(process.execPath, args, { cwd: join(copy, 'src') }, (_, out) => {
      const files = [...out.matchAll(/^([\w./-]+)\(\d+,\d+\): error/gm)].map(([, file]) => file!)
      resolve([...new Set(files)].filter((file) => !file.startsWith('pool/')).sort())
    })
  })
}

/** A module of the copy with the entry. */
function fromCopy<Module>(file: string): Promise<Module> {
  return import(join(entered, 'src', file))
}

describe('a made-up attribute', () => {
  test('named by the types alone is asked for where its entry belongs, and where it is checked', async () => {
    expect(await refused(named)).toEqual([
      'diff.ts',
      'fields.ts',
      'kernel/observed.ts',
      'rules/format.ts',
      'rules/read.ts',
      'validate/destination.ts',
      'validate/service.ts',
    ])
  })

  test('with its entry: the compiler asks for what makes numbers of it, shows it, reads its row and says it in rules', async () => {
    expect(await refused(entered)).toEqual([
      'kernel/observed.ts',
      'kernel/table.ts',
      'rules/format.ts',
      'rules/read.ts',
      'validate/destination.ts',
      'validate/service.ts',
    ])
  })

  test('with its entry alone it is compared, copied, patched and written into records', async () => {
    const { destinationDiff, isSameDestination } =
      await fromCopy<typeof import('../../src/diff.js')>('diff.ts')
    const plain = { address: '10.1.0.1', port: 53, forwarding: 'direct' } as const
    const red = { ...plain, colour: 7 }
    expect(destinationDiff(red, plain)).toEqual([{ field: 'colour', actual: 0, desired: 7 }])
    expect(isSameDestination(red, plain)).toBe(false)
    expect(isSameDestination({ ...plain, colour: 0 } as typeof plain, plain)).toBe(true)

    const fields = await fromCopy<typeof import('../../src/fields.js')>('fields.ts')
    expect(fields.pickDestination({ ...red, stats: 1 } as typeof plain)).toEqual(red)
    expect(fields.DESTINATION_SETTINGS).toContain('colour')
    expect(fields.SERVICE_SETTINGS).toContain('taste')

    const { ChangeWriter } =
      await fromCopy<typeof import('../../src/kernel/records.js')>('kernel/records.ts')
    // Every field at a place of its own.
    const places = new Map<string, number>([['change', 4096]])
    const layout = new Proxy({} as Layout, {
      get: (_, name: string) => {
        if (!places.has(name)) places.set(name, places.size * 16)
        return places.get(name)
      },
    })
    const service = { fwmark: 1, scheduler: 'rr' }
    const writer = new ChangeWriter(layout, 2)
    const checked = checkChange({ op: 'add-service', service }, '')
    writer.add({
      ...checked,
      service: { ...checked.service, taste: 'sweet' },
    } as unknown as CheckedChange)
    const added = checkChange({ op: 'add-destination', service, destination: plain }, '')
    writer.add({
      ...added,
      destination: { ...added.destination, colour: 7 },
    } as unknown as CheckedChange)
    const bytes = writer.take()
    const taste = layout.service + layout['serviceTaste' as 'service']
    expect(Buffer.from(bytes.subarray(taste, taste + 5)).toString()).toBe('sweet')
    const colour = 4096 + layout.destination + layout['destinationColour' as 'service']
    expect(bytes[colour]! + bytes[colour + 3]!).toBe(7)
  })
})
