import { setTimeout } from 'node:timers/promises'
import { kernelSuite } from '../../lab/guest/suite.js'
import { contract } from '../contract/contract.js'
import type { Subject } from '../contract/subject.js'
import { namespace } from './namespace.js'

async function openReal(): Promise<Subject> {
  const ns = namespace()
  // Datagrams to the service and on to its server stay in the namespace.
  for (const address of ['192.0.2.1/32', '10.1.0.1/32']) {
    ns.run(['ip', 'addr', 'add', address, 'dev', 'lo'])
  }
  return {
    open: ns.open,
    send: ({ address, port }, _, count) => {
      const one = `printf x >/dev/udp/${address}/${port}`
      ns.run(['bash', '-c', `for n in $(seq ${count}); do ${one}; done`])
    },
    wait: () => setTimeout(50),
    close: ns.close,
  }
}

contract('the real kernel', openReal, kernelSuite)
