// doctor.mjs: what `ipvs doctor --json` says, a line for each line that comes: with "probe" in it, by --probe. Starting the command
// anew each time takes seconds in a guest.
import { createInterface } from 'node:readline'
import { gather } from '../../../dist/command/doctor/gather.js'
import { report } from '../../../dist/command/doctor/report.js'

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(report(await gather({ probe: line === 'probe' }))))
}
