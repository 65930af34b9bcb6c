// npm run test:package [-- --only WORD]: the package as npm clients install it, for every Node.js, in other runtimes, for arm64 and for musl, and
// on a kernel with IPVS.
// Ends with a table. A cell is `yes`, or says what went wrong.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { pack } from './pack.mjs'
import { prebuild, targets } from './prebuilds.mjs'
import { setup } from './setup.mjs'
import { upToDate } from './steps/addon.mjs'
import { clients, commandOf, fetchClients, nodes, runtimes } from './steps/clients.mjs'
import { fetchEmulation, tryArm64, tryCore, tryMusl } from './steps/emulation.mjs'
import { checkout, SetupError, step } from './steps/step.mjs'

const { only } = parseArgs({ options: { only: { type: 'string' } } }).values
const work = mkdtempSync(path.join(tmpdir(), 'ipvs-clients-'))

/** What a program of a user's prints when all is well is `yes`. */
const programs = {
  'import.mjs': `import { Ipvs, IpvsError } from 'ipvs'
    console.log(typeof Ipvs.open === 'function' && new IpvsError('ERR_IPVS_BUSY', '') instanceof Error ? 'yes' : 'no')`,
  'require.cjs': `const { Ipvs } = require('ipvs')
    import('ipvs').then((ipvs) => console.log(ipvs.Ipvs === Ipvs ? 'yes' : 'another class'))`,
  // The kernel answers or refuses: the addon is there.
  'addon.mjs': `import { Ipvs } from 'ipvs'
    const { available, advice } = await Ipvs.probe()
    console.log(available || /kernel|root/.test(advice.join()) ? 'yes' : advice.join())`,
  'memory.mjs': `import { Ipvs } from 'ipvs'
    import { MemoryKernel } from 'ipvs/testing'
    const kernel = new MemoryKernel()
    const ipvs = await Ipvs.open({ kernel })
    await ipvs.addService({ protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'rr' })
    await ipvs.close()
    console.log(kernel.rules().trim() === '-A -u 192.0.2.1:53 -s rr' ? 'yes' : kernel.rules())`,
}

/** On a kernel of the lab: what `ipvsadm` shows of a pool, and which file was loaded. */
const pool = `import { execFileSync } from 'node:child_process'
  import { readFileSync } from 'node:fs'
  import { Ipvs, MirroredPool } from 'ipvs'
  await using ipvs = await Ipvs.open()
  const pool = await MirroredPool.open(ipvs, { address: '192.0.2.1', port: 53, scheduler: 'rr', forwarding: 'direct', servers: ['10.1.0.1', '10.1.0.2'] })
  await pool.down('10.1.0.2')
  const shown = execFileSync('ipvsadm', ['-Sn'], { encoding: 'utf8' }).trim().split('\\n').sort()
  const wanted = ['t', 'u'].flatMap((flag) => [
    \`-A -\${flag} 192.0.2.1:53 -s rr\${flag === 'u' ? ' -o' : ''}\`, \`-a -\${flag} 192.0.2.1:53 -r 10.1.0.1:53 -g -w 1\`,
  ]).sort()
  const addon = readFileSync('/proc/self/maps', 'utf8').match(/\\S+\\.node$/m)[0]
  const own = addon.endsWith('/node_modules/ipvs/prebuilds/linux-x64/ipvs.glibc.node')
  console.log(!own ? addon : shown.join() === wanted.join() ? 'yes' : shown.join())
  await pool.close()`

const typed = `import { Ipvs, type Service } from 'ipvs'
import { MemoryKernel } from 'ipvs/testing'
import { exec } from 'ipvs/checks/exec'
export const service: Service = { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'rr' }
// @ts-expect-error a mark and an address exclude each other
export const mixed: Service = { fwmark: 1, protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'rr' }
export const open = (): Promise<Ipvs> => Ipvs.open({ kernel: new MemoryKernel() })
export const check = exec({ command: '/bin/true' })
`

/** What npm tells its scripts and what this machine's user has set is not a user's: newer ones complain of what they do not know. */
const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim()
const own = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
  npm_config_userconfig: '/dev/null',
  npm_config_registry: registry,
}

function run([program, ...words], { cwd, env = {}, node }) {
  const PATH = [...(node === undefined ? [] : [path.dirname(node)]), process.env.PATH].join(':')
  const options = { cwd, encoding: 'utf8', env: { ...own, PATH, ...env }, timeout: 300_000 }
  const { status, stdout, stderr, error } = spawnSync(program, words, options)
  return {
    status,
    out: `${stdout ?? ''}${stderr ?? ''}${error ?? ''}`.trim(),
    stdout: stdout?.trim(),
  }
}

/** @returns {string} of a program: `yes`, or the end of what it said */
function say(command, options) {
  const { out, stdout } = run(command, options)
  return stdout === 'yes' ? 'yes' : `NO: ${out.slice(-300).replaceAll(/\s+/g, ' ')}`
}

function project(name, tarball, parent = work) {
  const cwd = path.join(parent, name.replaceAll(/\W+/g, '-'))
  mkdirSync(cwd)
  const manifest = { name: 'user', private: true, dependencies: { ipvs: `file:${tarball}` } }
  writeFileSync(path.join(cwd, 'package.json'), JSON.stringify(manifest))
  // No workspace or project above is asked for its settings.
  writeFileSync(path.join(cwd, 'yarn.lock'), '')
  writeFileSync(path.join(cwd, 'main.ts'), typed)
  for (const [file, code] of Object.entries(programs)) writeFileSync(path.join(cwd, file), code)
  return cwd
}

/** No word about scripts, builds or anything else that a user would have to decide. */
function installSilently(client, node, cwd) {
  if (client.name !== 'yarn 4') rmSync(path.join(cwd, 'yarn.lock'))
  const newest = nodes.at(-1)
  const own = Number(node.major) < (client.oldest ?? 0) ? newest : node
  for (const words of client.install) {
    const { status, out } = run(commandOf(words, own.program), {
      cwd,
      env: client.env,
      node: own.program,
    })
    const loud = out.split('\n').find((line) => /warn|script|ignored|blocked|build|gyp/i.test(line))
    if (status !== 0) return `NO: exit ${status}: ${out.slice(-300).replaceAll(/\s+/g, ' ')}`
    if (loud !== undefined) return `NO: ${loud.trim()}`
  }
  return own === node ? 'yes' : `yes, by Node ${newest.major}`
}

function types(cwd) {
  const tsc = path.join(checkout, 'node_modules/typescript/bin/tsc')
  const options =
    '--noEmit --strict --module nodenext --target es2022 --lib es2022,esnext.disposable'
  const roots = ['--types', 'node', '--typeRoots', path.join(checkout, 'node_modules/@types')]
  const { status, out } = run([process.execPath, tsc, ...options.split(' '), ...roots, 'main.ts'], {
    cwd,
  })
  return status === 0 ? 'yes' : `NO: ${out.slice(0, 200)}`
}

function programsOf(command, cwd, node) {
  const say_ = (file) => say([...command, file], { cwd, node })
  return {
    import: say_('import.mjs'),
    require: say_('require.cjs'),
    addon: say_('addon.mjs'),
    MemoryKernel: say_('memory.mjs'),
  }
}

function tryClient(client, node, tarball) {
  const cwd = project(`${client.name}-${node.major}`, tarball)
  const install = installSilently(client, node, cwd)
  const row = { 'installed by': client.name, on: `Node ${node.major}`, 'install silent': install }
  if (!existsSync(path.join(cwd, 'node_modules/ipvs'))) return row
  return { ...row, ...programsOf([node.program], cwd, node.program), types: types(cwd) }
}

function tryRuntime(runtime, tarball) {
  const cwd = project(`runtime ${runtime.name}`, tarball)
  const install = installSilently(clients[0], nodes.at(-1), cwd)
  const row = { 'installed by': clients[0].name, on: runtime.name, 'install silent': install }
  return { ...row, ...programsOf(runtime.command, cwd), types: '-' }
}

/** In a guest, which sees the checkout and nothing else of this machine. */
async function tryLab(tarball) {
  const parent = mkdtempSync(path.join(checkout, 'build/installed-'))
  try {
    const cwd = project('user', tarball, parent)
    const node = nodes.at(-1)
    const install = installSilently(clients[0], node, cwd)
    const on = `Node ${node.major}, kernel of the lab`
    const row = { 'installed by': clients[0].name, on, 'install silent': install }
    writeFileSync(path.join(cwd, 'pool.mjs'), pool)
    const script = path.join(checkout, 'build/tools/lab/main.js')
    const lab = [process.execPath, script, '--', node.program, 'pool.mjs']
    return { ...row, 'pool in the kernel': say(lab, { cwd, env: { INIT_CWD: cwd } }) }
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
}

const columns = [
  ...[
    'installed by',
    'on',
    'install silent',
    'import',
    'require',
    'addon',
    'MemoryKernel',
    'types',
  ],
  ...['pool in the kernel', 'core tests'],
]

/** Lines as wide as what is in them; what went wrong is told below. */
function print(rows) {
  const problems = []
  const short = rows.map((row) =>
    columns.map((column) => {
      const text = row[column] ?? '-'
      if (!text.startsWith('NO: ')) return text
      problems.push(`${row['installed by']}, ${row.on}, ${column}: ${text.slice(4)}`)
      return 'NO'
    }),
  )
  const lines = [columns, ...short]
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at].length)))
  for (const line of lines) {
    process.stdout.write(
      `${line
        .map((text, at) => text.padEnd(widths[at]))
        .join('  ')
        .trimEnd()}\n`,
    )
  }
  for (const problem of problems) process.stdout.write(`\n${problem}\n`)
  return problems.length
}

async function main() {
  await fetchClients()
  await fetchEmulation()
  await setup({ purpose: 'lab' })
  const prebuilds = path.join(checkout, 'prebuilds')
  const file = (target) => target.replace(/^(.*)-(\w+)$/, '$1/ipvs.$2.node')
  const gyp = path.join(checkout, 'native/binding.gyp')
  const old = targets.filter((target) => !upToDate(path.join(prebuilds, file(target)), gyp))
  if (old.length > 0) await prebuild({ names: old })
  const { tarball } = await pack({ out: work, prebuilds })

  const tries = [
    ...clients.flatMap((client) =>
      nodes.map((node) => [
        `${client.name}, Node ${node.major}`,
        () => tryClient(client, node, tarball),
      ]),
    ),
    ...runtimes.map((runtime) => [runtime.name, () => tryRuntime(runtime, tarball)]),
    ['arm64', () => tryArm64(project('arm64', tarball), programsOf)],
    ['musl', () => tryMusl(work, 'x64')],
    ['musl on arm64', () => tryMusl(work, 'arm64')],
    ["core's tests", tryCore],
    ['lab', () => tryLab(tarball)],
  ].filter(([name]) => only === undefined || name.includes(only))
  const rows = []
  for (const [name, attempt] of tries) rows.push(await step(name, attempt))
  process.stdout.write('\n')
  return print(rows)
}

try {
  process.exitCode = (await main()) === 0 ? 0 : 1
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`)
  process.exitCode = 1
} finally {
  rmSync(work, { recursive: true, force: true })
}
