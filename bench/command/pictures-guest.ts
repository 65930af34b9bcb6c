// Inside the kernel that has IPVS: plays each scene, and keeps what the terminal shows at its end.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkout } from '../../lab/checkout.js'
import { Tmux } from '../../lab/terminal/tmux.js'
import type { PicturePlan, Scene } from './pictures.js'
import { makeTable, startTraffic } from './table.js'

/** Enough looks for a sparkline. */
const LOOKS_MS = 45_000

const plan: PicturePlan = JSON.parse(process.argv[2]!)
const taken: Record<string, string> = {}
for (const scene of plan.scenes) {
  process.stderr.write(`${scene.name}\n`)
  taken[scene.name] = await take(scene)
}
writeFileSync(plan.file, JSON.stringify(taken))

async function take({ services, destinations, packets, window, words, keys }: Scene) {
  await makeTable(services, destinations)
  const folder = mkdtempSync(path.join(tmpdir(), 'pictures-'))
  const traffic = startTraffic(services, packets)
  try {
    const program = [process.execPath, path.join(checkout, 'dist/bin/ipvs.cjs')]
    using tmux = new Tmux(folder, { ipvs: program }, window)
    await tmux.shows(/^\$/m)
    tmux.line(`ipvs top ${words}`)
    await tmux.shows(/\n\d[^\n]* conn\/s/)
    for (const key of keys) tmux.keys(key)
    await sleep(LOOKS_MS)
    return tmux.styled()
  } finally {
    traffic.kill()
    rmSync(folder, { recursive: true })
  }
}
