// The command stands on what the package exports, and on nothing else of the library.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const folder = new URL('../../../src/command/', import.meta.url)
const files = (readdirSync(folder, { recursive: true }) as string[]).filter((name) =>
  name.endsWith('.ts'),
)
const read = (name: string, from: URL) => readFileSync(new URL(name, from), 'utf8')

/** Names that a module exports, those of the modules that it passes on as a whole included. */
function exported(file: string, base: URL): string[] {
  const at = new URL(file, base)
  const text = readFileSync(at, 'utf8')
  const lists = [...text.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list]) =>
    list!.split(',').map((name) => name.trim().replace(/^type /, '')),
  )
  const own = [
    ...text.matchAll(
      /export (?:const|class|interface|type|function\*?|async function|\* as) (\w+)/g,
    ),
  ]
  const whole = [...text.matchAll(/export (?:type )?\* from '([^']+)'/g)]
  return [
    ...lists,
    ...own.map(([, name]) => name!),
    ...whole.flatMap(([, from]) => exported(from!.replace(/\.js$/, '.ts'), at)),
  ]
}

test('each name that it imports from outside is in the public API', () => {
  const api = new Set([
    ...exported('../index.ts', folder),
    ...exported('../director/index.ts', folder),
    ...exported('../metrics/index.ts', folder),
    ...exported('../import/index.ts', folder),
    ...exported('../metrics/index.ts', folder),
  ])
  expect(api).toContain('tableChanges')
  const outside = files.flatMap((name) => {
    const depth = name.split('/').length
    const up = '../'.repeat(depth)
    const imports = read(name, folder).matchAll(
      /(?:import (?:type )?\{([^}]*)\} from|const \{([^}]*)\} = await import\()\s*'([^']+)'/g,
    )
    return [...imports]
      .filter(([, , , from]) => from!.startsWith(up))
      .flatMap(([, some, others]) =>
        (some ?? others)!
          .split(',')
          .map((one) => one.trim().replace(/^type /, ''))
          .filter(Boolean),
      )
  })
  expect(outside.length).toBeGreaterThan(20)
  // Texts of "did you mean" are one list.
  expect([...new Set(outside)].filter((name) => !api.has(name) && name !== 'didYouMean')).toEqual(
    [],
  )
})
