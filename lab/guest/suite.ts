// The rule for tests that need a real kernel: where they are run, and how they are skipped.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { describe, test } from 'vitest'

/**
 * A `describe` for tests of the real kernel. Where there is none they are skipped, and say how to run them; with
 * IPVS_SKIPS_FAIL=1, as in CI, they fail instead.
 */
export function kernelSuite(name: string, body: () => void): void {
  suite(name, unusable(), body)
}

/** A `kernelSuite` for tests that would harm a machine in use: in the lab's guest only. */
export function labSuite(name: string, body: () => void): void {
  const inLab = hostname() === 'ipvs-lab'
  suite(name, unusable() ?? (inLab ? undefined : 'this is not the lab'), body)
}

function suite(name: string, reason: string | undefined, body: () => void): void {
  if (reason === undefined) {
    describe(name, body)
    return
  }
  const text = `${reason}. "npm run test:kernel" boots a kernel and runs these tests in it.`
  describe(name, () => {
    test('needs an IPVS kernel', (context) => {
      if (process.env.IPVS_SKIPS_FAIL === '1') throw new Error(`IPVS_SKIPS_FAIL=1: ${text}`)
      context.skip(text)
    })
  })
}

let checked: { readonly reason: string | undefined } | undefined

/** Why kernel tests cannot run here; `undefined` if they can. */
export function unusable(): string | undefined {
  checked ??= { reason: check() }
  return checked.reason
}

function check(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`
  if (process.getuid?.() !== 0) return 'this is not root'
  if (!existsSync('/proc/net/ip_vs')) spawnSync('modprobe', ['ip_vs'])
  if (!existsSync('/proc/net/ip_vs')) return 'this kernel has no IPVS'
  for (const tool of ['ip', 'ipvsadm']) {
    if (spawnSync(tool, ['-V']).error !== undefined) return `the witness "${tool}" is not installed`
  }
  return undefined
}
