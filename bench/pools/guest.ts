// Inside the kernel that has IPVS: times pools that hear of all their servers in one turn.
import { writeFileSync } from 'node:fs'
import { timesOf } from './times.js'

const { file, samples }: { file: string; samples: number } = JSON.parse(process.argv[2]!)
const times = Object.fromEntries(
  ['each', 'quorum'].map((rule) => {
    process.stderr.write(`4,000 verdicts in one turn: ${rule}\n`)
    return [rule, timesOf('verdicts.mjs', [rule, String(samples)])]
  }),
)
writeFileSync(file, JSON.stringify(times))
