// The built-in checks and the options they take, as the code has them: no list of a test's own.
import * as combinations from '../../../src/health/checks/combine.js'
import { checks } from '../../../src/health/checks/index.js'

export type CheckName = keyof typeof checks
type Make = (options: never) => unknown

/** All of `checks` but those that make one check of several. */
export const builtin = Object.entries<Make>(checks).filter(
  ([name]) => !(name in combinations),
) as readonly (readonly [name: CheckName, make: Make])[]

/** The options a check takes: the names in its error about one that does not exist. */
export function optionNames(make: Make): string[] {
  try {
    make({ noSuchOption: 1 } as never)
  } catch (error) {
    const [, names = ''] =
      /no such option, only (.*); received/.exec((error as Error).message) ?? []
    return [...names.matchAll(/"(\w+)"/g)].map(([, name]) => name!)
  }
  return []
}
