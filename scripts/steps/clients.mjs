// The npm clients and Node.js versions that the package is tried with, in .cache/clients, and how each client installs.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cacheDir, checkout, logged, step } from './step.mjs'

const folder = path.join(cacheDir, 'clients')
const modules = path.join(folder, 'node_modules')

export const nodes = ['20', '22', '24', '26'].map((major) => ({
  major,
  program: path.join(modules, `node-${major}/bin/node`),
}))

export async function fetchClients() {
  const manifests = path.join(checkout, 'scripts/clients')
  const lock = readFileSync(path.join(manifests, 'package-lock.json'), 'utf8')
  const stamp = path.join(folder, 'fetched')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  mkdirSync(folder, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) {
    copyFileSync(path.join(manifests, file), path.join(folder, file))
  }
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  await step('Fetching npm clients and Node.js versions (about 350 MB)', () =>
    logged('npm-ci-clients', 'npm', ['ci', ...options], { cwd: folder }),
  )
  writeFileSync(stamp, lock)
}

const npm = (version, ...words) => [
  `js:npm-${version}/bin/npm-cli.js`,
  ...words,
  '--no-update-notifier',
]

/**
 * `install`: a command for each step; `js:` is run by the Node.js of the row. `oldest`: the first Node.js that the client itself runs on; with older
 * ones the newest does it.
 */
export const clients = [
  { name: 'npm 10', install: [npm(10, 'install')] },
  { name: 'npm 10 ci', install: [npm(10, 'install', '--package-lock-only'), npm(10, 'ci')] },
  { name: 'npm 10, no scripts', install: [npm(10, 'install', '--ignore-scripts')] },
  { name: 'npm 12, strict', oldest: 22, install: [npm(12, 'install', '--strict-allow-scripts')] },
  {
    name: 'npm 12 ci, strict',
    oldest: 22,
    install: [npm(12, 'install', '--package-lock-only'), npm(12, 'ci', '--strict-allow-scripts')],
  },
  {
    name: 'pnpm 12',
    install: [
      ['@pnpm/exe.linux-x64/pnpm', 'install', `--store-dir=${path.join(folder, 'pnpm-store')}`],
    ],
  },
  {
    name: 'yarn 4',
    install: [['js:@yarnpkg/cli-dist/bin/yarn.js', 'install']],
    env: {
      YARN_NODE_LINKER: 'node-modules',
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
      YARN_ENABLE_TELEMETRY: '0',
      YARN_GLOBAL_FOLDER: path.join(folder, 'yarn'),
      ...(process.env.NODE_EXTRA_CA_CERTS && {
        YARN_HTTPS_CA_FILE_PATH: process.env.NODE_EXTRA_CA_CERTS,
      }),
    },
  },
  {
    name: 'bun 1.4',
    install: [['@oven/bun-linux-x64/bin/bun', 'install']],
    env: { BUN_INSTALL_CACHE_DIR: path.join(folder, 'bun') },
  },
]

/** Other runtimes, which run what npm has installed. */
export const runtimes = [
  { name: 'bun 1.4', command: [path.join(modules, '@oven/bun-linux-x64/bin/bun'), 'run'] },
  {
    name: 'deno 2.9',
    command: [path.join(modules, '@deno/linux-x64-glibc/deno'), 'run', '--allow-all'],
  },
]

/** The command of a step, for the Node.js of a row. */
export function commandOf([program, ...words], node) {
  const file = path.join(modules, program.replace(/^js:/, ''))
  return program.startsWith('js:') ? [node, file, ...words] : [file, ...words]
}
