// stuck-close.mjs NETNS FOLDER CHANGES: makes each of the changes in a call of its own, the second when the kernel is stuck in the first
// (slow-modprobe.sh), and closes the client while their deadline passes. Prints in which order what has come of them.
import { existsSync } from 'node:fs'
import { mock } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Ipvs } from '../../../dist/client.js'

const [, , netns, folder, changes] = process.argv
const ipvs = await Ipvs.open({ netns, deadlineMs: 3_600_000 })
mock.timers.enable({ apis: ['setTimeout'] })
const said = []
const call = async (change) => {
  const { outcomes } = await ipvs.apply([change], { deadlineMs: 1000 })
  said.push(outcomes[0].error.code)
}
const [first, ...others] = JSON.parse(changes)
const calls = [call(first)]
while (!existsSync(`${folder}/asked`)) await setImmediate()
calls.push(...others.map(call))
const closed = ipvs.close().then(() => said.push('closed'))
mock.timers.tick(1000)
await Promise.all([...calls, closed])
console.log(JSON.stringify(said))
