// npm run help: what there is, a line each.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { checkout } from './steps/step.mjs'

/** Every script of package.json that people call. */
const lines = {
  demo: 'see it work: a director, three servers that fail, clients that must not notice',
  test: 'every gate; npm test -- unit kernel: some; -- --changed: those a change concerns; -- --seed N: in another order',
  lab: 'a command, or a shell, on a real IPVS kernel',
  'udp-failover': 'counts what clients lose at each flip',
  chaos: "kills a pool's controller again and again while others break its table",
  soak: 'a director to which everything happens: bad files, kills, a full disk, a clock that is set',
  memory: 'what is left of checks, in each of their endings, after 20,000 of each',
  bench:
    'times it beside C, libnl, ipvsadm; -- checks; -- pools; -- command; -- reload; -- failover, -- pair: beside keepalived',
  fuzz: 'feeds the wire core with hostile input',
  servers: 'a command among real servers to check, such as one of their tests',
  page: "the director's page in a real browser, its figures by promtool",
  typecheck: 'the TypeScript of everything',
  lint: 'format, lint and import rules',
  format: 'format, and mend what can be mended',
  'test:unit': 'the unit tests alone, without making anything ready',
  'test:kernel': 'the kernel tests alone, in the lab',
  'test:kernels': 'the kernel tests on Linux 6.1, 6.12 and 7.2',
  'test:native': 'the wire core by itself, under sanitizers',
  'test:threads': 'its thread, under ThreadSanitizer',
  'test:package':
    'installs the package by every npm client, for every Node.js, on arm64 and musl too: a table',
  site: 'the documentation as a site (build/site/out): pages, reference, errors; -- --serve shows it',
  'release:check': 'all that can be known before a release',
  build: 'the addon (build/Release) and the TypeScript (dist)',
  'build:ts': 'the TypeScript',
  'build:native': 'the addon',
  'build:debug': 'the addon for debugging, with CMake and compile_commands.json',
  'build:asan': 'the wire core under sanitizers',
  'build:tsan': 'the same under ThreadSanitizer',
  prebuilds:
    'the four prebuilt addons (prebuilds/); -- here: one for this machine, by its own compiler',
  help: 'this list',
}

const { scripts } = JSON.parse(readFileSync(path.join(checkout, 'package.json'), 'utf8'))
// npm runs that one by itself.
const missing = Object.keys(scripts).filter((name) => !(name in lines) && name !== 'prepack')
const gone = Object.keys(lines).filter((name) => !(name in scripts))
if (missing.length + gone.length > 0) {
  process.stderr.write(`scripts/help.mjs and package.json differ: ${[...missing, ...gone]}\n`)
  process.exitCode = 1
}
for (const [name, line] of Object.entries(lines)) {
  process.stdout.write(`npm run ${name.padEnd(14)} ${line}\n`)
}
