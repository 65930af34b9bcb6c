import { describe } from 'vitest'
import { Ipvs } from '../../src/client.js'
import { MemoryKernel } from '../../src/testing/index.js'
import { contract } from '../contract/contract.js'
import type { Subject } from '../contract/subject.js'

async function openMemory(): Promise<Subject> {
  let now = 0
  const kernel = new MemoryKernel({ clock: () => now })
  return {
    open: (options) => Ipvs.open({ kernel, ...options }),
    send: (service, destination, count) => {
      const bytes = count * 29
      kernel.traffic(service, destination, { connections: count, packets: count, bytes })
    },
    wait: async () => {
      now += 1000
    },
    close: () => {},
  }
}

contract('MemoryKernel', openMemory, describe)
