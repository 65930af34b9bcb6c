// A reporter that lets no skip pass in silence: every skipped test is listed with its reason at the end, and with
// IPVS_SKIPS_FAIL=1, as in CI, any skip fails the run.
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node'

export default class Skips implements Reporter {
  #asked: RegExp | undefined

  onInit(vitest: Vitest): void {
    this.#asked = vitest.config.testNamePattern
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    // Whoever gives `-t` a name knows that the others do not run.
    const isAsked = (test: TestCase) =>
      this.#asked?.test(test.fullName.replaceAll(' > ', ' ')) ?? true
    const skipped = modules.flatMap((module) =>
      [...module.children.allTests('skipped')].filter(isAsked).map((test) => {
        const result = test.result()
        const note = result.state === 'skipped' ? result.note : undefined
        return `  ${module.relativeModuleId} > ${test.fullName}: ${note ?? 'no reason given'}`
      }),
    )
    const all = modules.flatMap((module) => [...module.children.allTests()])
    if (this.#asked !== undefined && !all.some(isAsked)) {
      process.stdout.write(`\nNo test is called ${this.#asked}.\n`)
      process.exitCode = 1
    }
    if (skipped.length === 0) return
    process.stdout.write(`\n${skipped.length} skipped:\n${skipped.join('\n')}\n`)
    if (process.env.IPVS_SKIPS_FAIL !== '1') return
    process.stdout.write('IPVS_SKIPS_FAIL=1: a skip is a failure.\n')
    process.exitCode = 1
  }
}
