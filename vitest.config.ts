import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Tests read the TypeScript sources, the addon is the one in build/Release.
const source = (file: string) => fileURLToPath(new URL(`./src/${file}`, import.meta.url))
const resolve = {
  alias: [
    // Pools with a fault put back (test/unit/pool/mutants.test.ts).
    ...(process.env.IPVS_POOL === undefined
      ? []
      : [{ find: /^\..*\/pool\/(.+)\.js$/, replacement: `${process.env.IPVS_POOL}/$1.ts` }]),
    { find: /^ipvs$/, replacement: source('index.ts') },
    { find: /^ipvs\/testing$/, replacement: source('testing/index.ts') },
    { find: /^ipvs\/checks\/exec$/, replacement: source('health/checks/exec.ts') },
  ],
}

/** Against hanging only. */
const LIMIT_MS = 1_200_000

/** In CI what has failed in the lab runs once more, and is shown as such: what a busy machine does to it is not seen in all. */
const retry = process.env.CI || process.env.IPVS_SKIPS_FAIL === '1' ? 1 : 0

export default defineConfig({
  cacheDir: 'build/vite',
  test: {
    // In the lab, and wherever its tests run, a witness sees how much time the machine gives.
    reporters: [
      'default',
      './test/skips.ts',
      './test/slowest.ts',
      ...(process.env.IPVS_KERNEL === 'host' ? ['./test/busy.ts'] : []),
    ],
    projects: [
      {
        resolve,
        test: {
          name: 'unit',
          include: [
            'test/unit/**/*.test.ts',
            '{lab,demo,bench,test/chaos,test/dataplane}/**/*.test.ts',
          ],
          exclude: ['**/node_modules/**', '**/*.lab.test.ts'],
          // Most of the time went into loading the same modules for each file. What a file leaves behind, the next one sees.
          isolate: false,
          // Against hanging only: what a test waits for comes at once, or as soon as a busy machine lets it.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 20_000, interval: 1 } },
        },
      },
      {
        resolve,
        test: {
          // One guest, one CPU: files run one after the other in one worker each.
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          fileParallelism: false,
          retry,
          // Against hanging only: in a guest that gets little CPU everything takes its time.
          testTimeout: LIMIT_MS,
          hookTimeout: LIMIT_MS,
          expect: { poll: { timeout: LIMIT_MS } },
        },
      },
      {
        resolve,
        test: {
          // Real packets, with clients that wait: a CPU of its own, as above.
          name: 'dataplane',
          include: ['{demo,bench,test/dataplane}/**/*.lab.test.ts'],
          exclude: ['**/node_modules/**'],
          fileParallelism: false,
          retry,
          // Each may play a scenario three times, if the machine is busy.
          testTimeout: 3 * LIMIT_MS,
        },
      },
      {
        resolve,
        test: {
          // Real servers: in namespaces of their own, among their files (scripts/steps/servers.mjs).
          name: 'servers',
          include: ['test/servers/**/*.test.ts'],
          testTimeout: LIMIT_MS,
          hookTimeout: LIMIT_MS,
          expect: { poll: { timeout: LIMIT_MS / 10 } },
        },
      },
      {
        resolve,
        test: {
          // A real browser, and promtool (scripts/steps/browser.mjs).
          name: 'page',
          include: ['test/page/**/*.test.ts'],
          testTimeout: LIMIT_MS,
          hookTimeout: LIMIT_MS,
          expect: { poll: { timeout: LIMIT_MS / 10 } },
        },
      },
      {
        test: {
          // What the compiler takes from programs that use the library, and what it does not. Nothing of it runs.
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ['test/types/**/*.test-d.ts'],
            tsconfig: 'test/tsconfig.json',
          },
        },
      },
      {
        test: {
          // What only a compiler can show.
          name: 'native',
          include: ['test/native/**/*.test.ts'],
          testTimeout: LIMIT_MS,
          hookTimeout: LIMIT_MS,
          maxConcurrency: 2,
        },
      },
      {
        test: {
          name: 'package',
          globalSetup: 'test/package/pack.ts',
          include: ['test/package/**/*.test.ts'],
          testTimeout: LIMIT_MS,
          hookTimeout: LIMIT_MS,
        },
      },
    ],
  },
})
