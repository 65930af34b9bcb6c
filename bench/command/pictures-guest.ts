// Inside the kernel that has IPVS: plays each scene, and keeps what the terminal shows at its end.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkout } from '../../lab/checkout.js'
import { Tmux } from '../../lab/terminal/tmux.js'
import type { PicturePlan, Scene } from './pictures.js'
import { makeTable, startTraffic } from './table.js'

const plan: PicturePlan = JSON.parse(process.argv[2]!)
const taken: Record<string, string> = {}
for (const scene of plan.scenes) {
  process.stderr.write(`${scene.name}\n`)
  taken[scene.name] = await take(scene)
}
writeFileSync(plan.file, JSON.stringify(taken))

async function take({ before, window, line, shows, keys = [], goesOnMs = 0 }: Scene) {
  const folder = mkdtempSync(path.join(tmpdir(), 'pictures-'))
  const traffic = await prepare(before, folder)
  try {
    const program = [process.execPath, path.join(checkout, 'dist/bin/ipvs.cjs')]
    using tmux = new Tmux(folder, { ipvs: program }, window)
    await tmux.shows(/^\$/m)
    tmux.line(`cd ${folder}; clear`)
    await tmux.shows(/^\$ ?\n/)
    tmux.line(line)
    await tmux.shows(new RegExp(shows))
    for (const key of keys) tmux.keys(key)
    await sleep(goesOnMs)
    return tmux.styled()
  } finally {
    traffic?.kill()
    rmSync(folder, { recursive: true })
  }
}

async function prepare(before: Scene['before'], folder: string) {
  if ('packets' in before) {
    await makeTable(before.services, before.destinations)
    return startTraffic(before.services, before.packets)
  }
  for (const line of before) {
    const { status, stderr } = spawnSync('sh', ['-ec', line], { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${line}: ${stderr}`)
  }
  return undefined
}
