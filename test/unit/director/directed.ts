// A director on a kernel in memory, and what it sends to it.
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { Ipvs } from '../../../src/client.js'
import {
  type Config,
  Director,
  type DirectorEvent,
  readConfig,
} from '../../../src/director/index.js'
import { MemoryKernel } from '../../../src/testing/index.js'
import type { Change } from '../../../src/types.js'

/** A folder of the test's own. */
export function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'ipvs-director-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

export interface Directed {
  readonly director: Director
  readonly kernel: MemoryKernel
  readonly client: Ipvs
  /** All changes that it has sent, in order. */
  readonly sent: Change[]
  readonly events: DirectorEvent[]
  reload(text: string): Promise<Awaited<ReturnType<Director['reload']>>>
}

/** Stopped, with its client, when the test is over. */
export async function direct(text: string, kernel = new MemoryKernel()): Promise<Directed> {
  return directConfig(await readConfig(text, { file: 'test.yaml' }), kernel)
}

async function directConfig(config: Config, kernel: MemoryKernel): Promise<Directed> {
  const client = await Ipvs.open({ kernel })
  const sent: Change[] = []
  const apply = client.apply.bind(client)
  client.apply = (changes, options) => {
    sent.push(...changes)
    return apply(changes, options)
  }
  const director = await Director.open(config, { client })
  const events: DirectorEvent[] = []
  director.on('event', (event) => events.push(event))
  onTestFinished(async () => {
    await director.stop('leave')
    await client.close()
  })
  const reload = async (text: string) =>
    director.reload(await readConfig(text, { file: 'test.yaml' }))
  return { director, kernel, client, sent, events, reload }
}

/** Two pools, which nobody checks. */
export const twoPools = `
defaults: { scheduler: wrr, forwarding: direct, reconcileInterval: 0s }
pools:
  dns:
    fronts: ['192.0.2.53:53']
    servers: ['10.1.0.1', { address: 10.1.0.2, weight: 3 }]
  ldap:
    fronts: ['tcp/192.0.2.53:389']
    servers: ['10.2.0.1']
`
