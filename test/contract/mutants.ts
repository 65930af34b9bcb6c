// Kernels in memory with one rule broken each: whoever compares kernels must tell every one of them from the real one.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { MemoryKernel } from '../../src/testing/index.js'

export interface Mutation {
  readonly rule: string
  readonly file: string
  readonly from: string
  readonly to: string
}

const TABLE = 'memory-table.ts'
const COMMANDS = 'memory-commands.ts'
const SYSTEM = 'memory-system.ts'

export const MUTATIONS: readonly Mutation[] = [
  {
    rule: 'a service that exists is not made again',
    file: TABLE,
    from: 'if (this.#services.has(key)) return EEXIST',
    to: '',
  },
  {
    rule: 'that it exists counts before an unknown scheduler',
    file: TABLE,
    from: 'if (this.#services.has(key)) return EEXIST\n    if (!this.#hasModules(service)) return ENOENT',
    to: 'if (!this.#hasModules(service)) return ENOENT\n    if (this.#services.has(key)) return EEXIST',
  },
  {
    rule: 'that it is missing counts before an unknown scheduler',
    file: TABLE,
    from: 'if (seen === undefined) return ESRCH\n    if (!this.#hasModules(service)) return ENOENT',
    to: 'if (!this.#hasModules(service)) return ENOENT\n    if (seen === undefined) return ESRCH',
  },
  {
    rule: 'engines are known or not',
    file: TABLE,
    from: "(engine === '' || engines.includes(engine))",
    to: "(engine === '' || engines.length > 0)",
  },
  {
    rule: 'replacing a service without an engine removes it',
    file: TABLE,
    from: 'seen.fields = { ...service, flags }',
    to: 'seen.fields = { ...service, flags, engine: service.engine || seen.fields.engine }',
  },
  {
    rule: 'flags outside the mask stay, those inside are set',
    file: TABLE,
    from: '((old & ~mask) | (flags & mask)',
    to: '(old | (flags & mask)',
  },
  {
    rule: 'removing a service removes its destinations',
    file: TABLE,
    from: 'this.#services.set(key, { fields, counters, destinations: new Map() })',
    to: `const { kept } = this as unknown as { kept?: Map<string, Map<string, MemoryDestination>> }
    const all = kept ?? Object.assign(this, { kept: new Map() }).kept
    if (!all.has(key)) all.set(key, new Map())
    this.#services.set(key, { fields, counters, destinations: all.get(key)! })`,
  },
  {
    rule: 'a destination that exists is not made again',
    file: TABLE,
    from: 'if (service.destinations.has(key)) return EEXIST',
    to: '',
  },
  {
    rule: 'IPv6 link-local addresses are no servers',
    file: TABLE,
    from: '!(address[0] === 0xfe &&',
    to: '!(address[0] === 0xff &&',
  },
  {
    rule: "the loopback's broadcast address is no server",
    file: TABLE,
    from: '!(address[0] === 127 &&',
    to: '!(address[0] === 128 &&',
  },
  {
    rule: 'destinations are listed newest first',
    file: TABLE,
    from: '[...service.destinations.values()].reverse()',
    to: '[...service.destinations.values()]',
  },
  {
    rule: 'replacing a destination leaves its place',
    file: TABLE,
    from: 'seen.fields = destination\n',
    to: 'seen.fields = destination\n    service.destinations.delete(checkedDestinationKey(destination))\n    service.destinations.set(checkedDestinationKey(destination), seen)\n',
  },
  {
    rule: 'replacing a destination resets its tunnel',
    file: TABLE,
    from: 'seen.fields = destination\n',
    to: 'seen.fields = { ...destination, tunnelType: seen.fields.tunnelType || destination.tunnelType }\n',
  },
  {
    rule: 'a destination deleted and added has its new settings',
    file: TABLE,
    from: 'destination.fields = fields\n',
    to: '\n',
  },
  {
    rule: 'ensure-service swallows EEXIST',
    file: COMMANDS,
    from: "'ensure-service': [\n    { command: NEW_SERVICE, swallowed: [EEXIST] }",
    to: "'ensure-service': [\n    { command: NEW_SERVICE, swallowed: [] }",
  },
  {
    rule: 'ensure-destination swallows nothing but EEXIST',
    file: COMMANDS,
    from: '{ command: NEW_DEST, swallowed: [EEXIST] }',
    to: '{ command: NEW_DEST, swallowed: [EEXIST, ESRCH] }',
  },
  {
    rule: 'ensure-no-destination swallows a missing service too',
    file: COMMANDS,
    from: 'swallowed: [ENOENT, ESRCH]',
    to: 'swallowed: [ENOENT]',
  },
  {
    rule: 'of the errors of one change the first counts',
    file: COMMANDS,
    from: 'code === 0 || outcome.code !== 0 ||',
    to: 'code === 0 ||',
  },
  {
    rule: 'a sync daemon that runs is not started again',
    file: SYSTEM,
    from: 'if (this.#daemons.has(daemon.state)) return EEXIST',
    to: '',
  },
  {
    rule: 'that its interface is missing counts before that it runs',
    file: SYSTEM,
    from: 'if (mtu === undefined) return ENODEV\n    if (this.#daemons.has(daemon.state)) return EEXIST',
    to: 'if (this.#daemons.has(daemon.state)) return EEXIST\n    if (mtu === undefined) return ENODEV',
  },
  {
    rule: 'no sync daemon beside a tunnel across address families',
    file: SYSTEM,
    from: 'table.hasMixedFamilies() ? EINVAL : ',
    to: '',
  },
  {
    rule: 'timeouts that are not given stay',
    file: SYSTEM,
    from: 'tcp || tcpSeconds',
    to: 'tcp || 900',
  },
]

/** For the counter-check. */
export const UNBROKEN: Mutation = {
  rule: 'none',
  file: TABLE,
  from: 'const TUNNEL = 2',
  to: 'const TUNNEL = 2',
}

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** Makes a copy of the kernel in memory with one rule broken. */
export async function mutant(
  { rule, file, from, to }: Mutation,
  number: number,
): Promise<new () => MemoryKernel> {
  const folder = `${checkout}build/mutants/${process.pid}-${number}`
  mkdirSync(folder, { recursive: true })
  try {
    for (const name of readdirSync(`${checkout}src/testing`)) {
      let text = readFileSync(`${checkout}src/testing/${name}`, 'utf8')
      if (name === file) {
        if (text.split(from).length !== 2) {
          throw new Error(`${rule}: ${file} has this not just once: ${from}`)
        }
        text = text.replace(from, () => to)
      }
      writeFileSync(`${folder}/${name}`, text.replaceAll("from '../", `from '${checkout}src/`))
    }
    const { MemoryKernel } = await import(/* @vite-ignore */ `${folder}/memory-kernel.ts`)
    return MemoryKernel
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
