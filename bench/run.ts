// Runs every case with every driver in this kernel, in turn, and prints medians. Times are for comparing rows with each
// other: a system call costs far more in the lab than on a host (docs/lab.md).
import { Ipvs } from 'ipvs'
import { cases } from './cases.js'

const rounds = 3
const results = new Map<string, number[]>()
let done = 0
const total = rounds * cases.length

await using ipvs = await Ipvs.open()
for (let round = 0; round < rounds; round++) {
  // Every other round backwards, so that no driver always has the same neighbour.
  for (const one of round % 2 === 0 ? cases : cases.toReversed()) {
    process.stderr.write(`\r\x1b[K${++done}/${total}  ${one.name}: ${one.driver}`)
    const times = await one.run(ipvs)
    const key = `${one.name}\0${one.driver}`
    results.set(key, [...(results.get(key) ?? []), ...times])
  }
}
process.stderr.write('\r\x1b[K')

const rows = [['case', 'driver', 'n', 'median', 'p99', 'unit']]
for (const [key, times] of [...results].sort()) {
  const [name, driver] = key.split('\0') as [string, string]
  const sorted = times.toSorted((a, b) => a - b)
  const at = (part: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
  rows.push([
    name,
    driver,
    `${sorted.length}`,
    at(0.5).toFixed(1),
    at(0.99).toFixed(1),
    'µs per change',
  ])
}
const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
for (const row of rows) {
  console.log(row.map((cell, column) => cell.padEnd(widths[column]!)).join('   '))
}
