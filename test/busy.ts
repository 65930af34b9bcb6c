// A reporter for tests in the lab: a witness sees how much of each test's time the machine has given to the guest. When tests have failed
// and each of them lacked a good part of its time, nobody can tell: the run ends with 75 in place of 1, and says so.
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { busySentence, exitStatus } from '../lab/command.js'
import { now } from '../lab/traffic/messages.js'
import { Witness } from '../lab/witness/witness.js'

/** A test that fails with less missing has no excuse. */
const mostMissing = 0.2

export default class Busy implements Reporter {
  #witness: Witness | undefined
  /** From the wall clock, which vitest reads, to the witness's. */
  #offset = 0

  async onInit(): Promise<void> {
    this.#offset = now() - Date.now()
    // Not at the table: tests load and unload the module that has it.
    this.#witness = new Witness(undefined, { tableMs: 0, tickMs: 20 })
    await Promise.race([this.#witness.ready, this.#witness.failure])
  }

  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    const witness = this.#witness
    if (witness === undefined) return
    const failed = modules.flatMap((module) => [...module.children.allTests('failed')])
    await witness.stop()
    if (failed.length === 0) return
    const shares = failed.map((test) => this.#missing(test))
    process.stdout.write('\nTime that the machine has not given to tests that failed:\n')
    for (const [index, test] of failed.entries()) {
      const percent = `${Math.round(100 * shares[index]!)} %`.padStart(5)
      process.stdout.write(`${percent}  ${test.module.relativeModuleId} > ${test.fullName}\n`)
    }
    const unloaded = modules.some((module) => module.errors().length > 0)
    if (unloaded || Math.min(...shares) < mostMissing) return
    process.stdout.write(`${busySentence(Math.min(...shares))}\n`)
    // Vitest sets its own status when this has returned.
    process.once('exit', () => {
      process.exitCode = exitStatus.busy
    })
  }

  #missing(test: TestCase): number {
    // A scenario that has seen for itself that it had no time.
    const result = test.result()
    if (result.errors?.every(({ name }) => name === 'TooBusyError')) return 1
    const { startTime, duration } = test.diagnostic() ?? { startTime: 0, duration: 0 }
    const from = startTime + this.#offset
    return this.#witness!.steal.share(from, from + duration)
  }
}
