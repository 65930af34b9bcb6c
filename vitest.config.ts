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

const LIMIT_MS = 600_000

export default defineConfig({
  cacheDir: 'build/vite',
  test: {
    reporters: ['default', './test/skips.ts', './test/slowest.ts'],
    projects: [
      {
        resolve,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'] },
      },
      {
        resolve,
        test: {
          // One guest, one CPU: files run one after the other in one worker each.
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          fileParallelism: false,
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
          include: ['test/dataplane/**/*.test.ts'],
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
