// A reporter that ends a run with its twenty slowest tests, and with what all of them took together.
import type { Reporter, TestModule } from 'vitest/node'

const COUNT = 20
/** What takes less is not slow. */
const SLOW_MS = 500

export default class Slowest implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) =>
      [...module.children.allTests()].flatMap((test) => {
        const ms = test.diagnostic()?.duration
        return ms === undefined
          ? []
          : [{ name: `${module.relativeModuleId} > ${test.fullName}`, ms }]
      }),
    )
    const total = tests.reduce((sum, { ms }) => sum + ms, 0)
    const slowest = tests.filter(({ ms }) => ms >= SLOW_MS).sort((a, b) => b.ms - a.ms)
    if (slowest.length === 0) return
    const lines = slowest
      .slice(0, COUNT)
      .map(({ name, ms }) => `${seconds(ms).padStart(9)}  ${name}`)
    process.stdout.write(
      `\nThe slowest of ${tests.length} tests, which took ${seconds(total)} together:\n${lines.join('\n')}\n`,
    )
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
