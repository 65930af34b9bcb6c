import { setTimeout } from 'node:timers/promises'
import { Ipvs } from '../../src/client.js'
import { contract } from '../contract/contract.js'
import type { Subject } from '../contract/subject.js'
import { command, kernelSuite, namespace } from './namespace.js'

async function openReal(): Promise<Subject> {
  const space = namespace()
  // Datagrams to the service and on to its server stay in the namespace.
  for (const address of ['192.0.2.1/32', '10.1.0.1/32']) {
    command(['ip', '-n', space.name, 'addr', 'add', address, 'dev', 'lo'])
  }
  return {
    open: (options) => Ipvs.open({ netns: space.name, ...options }),
    send: ({ address, port }, _, count) => {
      const one = `printf x >/dev/udp/${address}/${port}`
      space.run(['bash', '-c', `for n in $(seq ${count}); do ${one}; done`])
    },
    wait: () => setTimeout(250),
    close: () => space.close(),
  }
}

contract('the real kernel', openReal, kernelSuite)
