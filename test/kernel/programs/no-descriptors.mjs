// no-descriptors.mjs NETNS: what a client says when the process has no file descriptor left. Run it under a low limit.
import { closeSync, openSync } from 'node:fs'
import { Ipvs } from '../../../dist/index.js'

const [, , netns] = process.argv
const told = (call) =>
  call.then(
    () => 'done',
    ({ code, errno, message }) => ({ code, errno, message }),
  )
const ipvs = await Ipvs.open({ netns })
const namespace = openSync(`/run/netns/${netns}`, 'r')
const taken = []
try {
  for (;;) taken.push(openSync('/dev/null', 'r'))
} catch (error) {
  if (error.code !== 'EMFILE') throw error
}
const said = {
  open: await told(Ipvs.open()),
  netns: await told(Ipvs.open({ netns: { fd: namespace } })),
  sysctls: await told(ipvs.sysctls()),
  setSysctl: await told(ipvs.setSysctl('expire_nodest_conn', '1')),
  connections: await told(ipvs.connections().next()),
  // What is open goes on.
  services: await told(ipvs.services()),
}
for (const fd of taken) closeSync(fd)
const after = await told(ipvs.sysctls())
await ipvs.close()
console.log(JSON.stringify({ said, after }))
