/**
 * What tests of programs that use this library need.
 *
 * @module ipvs/testing
 */
export type { Fault } from './memory-faults.js'
export {
  MemoryKernel,
  type MemoryKernelOptions,
  type OpenConnections,
  type Traffic,
} from './memory-kernel.js'
