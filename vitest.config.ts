import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Tests read the TypeScript sources, the addon is the one in build/Release.
const source = (file: string) => fileURLToPath(new URL(`./src/${file}`, import.meta.url))
const resolve = {
  alias: [
    { find: /^ipvs$/, replacement: source('index.ts') },
    { find: /^ipvs\/testing$/, replacement: source('testing/index.ts') },
    { find: /^ipvs\/checks\/exec$/, replacement: source('health/checks/exec.ts') },
  ],
}

export default defineConfig({
  cacheDir: 'build/vite',
  test: {
    // In the lab, and wherever its tests run, a witness sees how much time the machine gives.
    reporters: [
      'default',
      './test/skips.ts',
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
          // Other guests of a CI machine may take the CPU for a while; a retried test is shown as such.
          retry: process.env.CI ? 1 : 0,
          testTimeout: 120_000,
          hookTimeout: 120_000,
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
          retry: process.env.CI ? 1 : 0,
          testTimeout: 120_000,
        },
      },
      {
        resolve,
        test: {
          // Real servers: in namespaces of their own, among their files (scripts/steps/servers.mjs).
          name: 'servers',
          include: ['test/servers/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
    ],
  },
})
