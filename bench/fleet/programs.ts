// What runs in the namespaces: an etcd, a BIRD for the router and for each director, the directors, by the files of examples/fleet/.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { checkout } from '../../lab/checkout.js'
import { Program } from '../../lab/network/program.js'
import { addresses, type DirectorName, directors, etcdAddress, routerAddress } from './network.js'

const folder = '/tmp/fleet'
const examples = path.join(checkout, 'examples/fleet')
const bin = path.join(checkout, 'dist/bin/ipvs.cjs')
export const etcdUrl = `http://${etcdAddress}:2379`
export const poolCount = 100
export const serversPerPool = 20
/** Of pools that nobody checks. */
export const poolPort = 8053

export const poolName = (index: number) => `p${index}`
export const poolAddress = (index: number) => `192.0.2.${index}`
export const serverAddress = (pool: number, server: number) => `10.1.${pool}.${server}`
export const controlOf = (director: DirectorName) => `${folder}/${director}/director.sock`

export function prepare(): void {
  for (const name of ['etcd', 'router', ...directors]) {
    mkdirSync(`${folder}/${name}`, { recursive: true })
  }
}

export function startEtcd(): Program {
  const url = etcdUrl
  return new Program('etcd', [
    'etcd',
    ...['--data-dir', `${folder}/etcd/data`],
    ...['--listen-client-urls', url, '--advertise-client-urls', url],
    ...['--listen-peer-urls', `http://${etcdAddress}:2380`],
    ...['--initial-advertise-peer-urls', `http://${etcdAddress}:2380`],
    ...['--initial-cluster', `default=http://${etcdAddress}:2380`],
  ])
}

const birdSocket = (name: string) => `${folder}/${name}/bird.ctl`

/** The example's, with this director's own address. */
export function startBird(director: DirectorName): Program {
  const text = readFileSync(path.join(examples, 'bird.conf'), 'utf8')
  return runBird(director, text.replaceAll(addresses.d1, addresses[director]))
}

export function startRouter(): Program {
  const neighbours = directors.map(
    (name) => `
protocol bgp ${name} {
  local ${routerAddress} as 65000;
  neighbor ${addresses[name]} as 65001;
  hold time 9;
  connect delay time 1;
  passive;
  ipv4 { import where net ~ 192.0.2.0/24; export none; };
}`,
  )
  return runBird(
    'router',
    `router id ${routerAddress};
protocol device { }
protocol kernel { ipv4 { export all; }; }
${neighbours.join('\n')}
`,
  )
}

function runBird(name: string, text: string): Program {
  const file = `${folder}/${name}/bird.conf`
  writeFileSync(file, text)
  return new Program(name, ['bird', '-f', '-c', file, '-s', birdSocket(name)])
}

/** The example's file, with this director's own names and addresses, and a hundred pools more. */
export function startDirector(director: DirectorName): Program {
  const config = parse(readFileSync(path.join(examples, 'director.yaml'), 'utf8')) as {
    [key: string]: unknown
    pools: Record<string, { announce?: { exec: string[] } }>
  }
  const others = directors.filter((name) => name !== director)
  const more = Array.from({ length: poolCount }, (_, at) => at + 1).map((index) => [
    poolName(index),
    {
      fronts: [`${poolAddress(index)}:${poolPort}`],
      scheduler: 'mh',
      forwarding: 'direct',
      servers: { etcd: `ipvs/pools/${poolName(index)}/` },
    },
  ])
  config.pools.dns!.announce!.exec = [path.join(examples, 'route'), 'dns']
  const own = {
    ...config,
    name: director,
    peers: others.map((name) => `http://${addresses[name]}:9480`),
    http: `${addresses[director]}:9480`,
    control: controlOf(director),
    state: `${folder}/${director}/state.json`,
    pools: { ...config.pools, ...Object.fromEntries(more) },
  }
  const file = `${folder}/${director}/director.json`
  writeFileSync(file, JSON.stringify(own))
  return new Program(director, [
    'env',
    `BIRD_SOCKET=${birdSocket(director)}`,
    ...[process.execPath, bin, 'run', file],
  ])
}

/** A command that speaks to a director. */
export const ipvsCommand = (director: DirectorName, words: readonly string[]): string[] => [
  process.execPath,
  bin,
  ...words,
  '--control',
  controlOf(director),
]
