import { setTimeout } from 'node:timers/promises'
import { kernelSuite } from '../../lab/guest/suite.js'
import { contract } from '../contract/contract.js'
import type { Subject } from '../contract/subject.js'
import { namespace } from './namespace.js'
import { programPath } from './programs.js'

async function openReal(): Promise<Subject> {
  const ns = namespace()
  // Datagrams to the service and on to its server stay in the namespace.
  for (const address of ['192.0.2.1/32', '10.1.0.1/32']) {
    ns.run(['ip', 'addr', 'add', address, 'dev', 'lo'])
  }
  // Below those that the kernel draws: of 80 drawn ones, two are the same in one run of ten, which is one connection less.
  let from = 20_000
  return {
    open: ns.open,
    send: ({ address, port }, _, count) => {
      const words = [address, port, from, count].map(String)
      ns.run([process.execPath, programPath('send.mjs'), ...words])
      from += count
    },
    wait: () => setTimeout(50),
    close: ns.close,
  }
}

contract('the real kernel', openReal, kernelSuite)
