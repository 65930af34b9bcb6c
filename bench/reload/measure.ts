// What a reload costs: processor time of the whole process, and what it sends.
import type { Ipvs } from 'ipvs'
import { type Config, Director, readConfig } from 'ipvs/director'
import { fileText } from './file.js'

export interface ReloadRow {
  readonly what: string
  readonly cpuMs: number
  readonly wallMs: number
  /** Changes that were sent to the kernel. */
  readonly sent: number
}

/** @param client whose table it is */
export async function measure(client: Ipvs): Promise<ReloadRow[]> {
  let sent = 0
  const apply = client.apply.bind(client)
  client.apply = (changes, options) => {
    sent += changes.length
    return apply(changes, options)
  }
  const rows: ReloadRow[] = []
  const row = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    sent = 0
    const begun = performance.now()
    const before = process.cpuUsage()
    const result = await work()
    const { user, system } = process.cpuUsage(before)
    rows.push({ what, cpuMs: (user + system) / 1000, wallMs: performance.now() - begun, sent })
    return result
  }
  const json = fileText('json')
  const yaml = fileText('yaml')
  const director = await row('start', async () => Director.open(await readConfig(json), { client }))
  const reload = (what: string, text: string, before?: Config) =>
    row(what, async () => director.reload(await readConfig(text, { before })))
  // The first of them warms up.
  for (const note of ['', ', again']) {
    await reload(`the same JSON${note}`, json, director.config)
    await reload(`the same, other spaces${note}`, `${json}\n\n`, director.config)
    await reload(`one weight changed, JSON${note}`, fileText('json', 2), director.config)
    await reload(`and back${note}`, json, director.config)
  }
  await reload('the same as YAML, read as a whole', yaml)
  await reload('the same YAML', yaml, director.config)
  await reload('one weight changed, YAML', fileText('yaml', 2), director.config)
  await director.stop()
  return rows
}
