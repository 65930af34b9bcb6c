// etcd 3.4 and newer, over its JSON gateway.
export {
  type EtcdCallOptions,
  type EtcdChange,
  type EtcdChanges,
  EtcdClient,
  type EtcdPutOptions,
  type EtcdRange,
  type EtcdWatchOptions,
} from './client.js'
export { EtcdError, type EtcdErrorCode, type EtcdErrorOptions } from './errors.js'
export { followPrefix } from './follow-prefix.js'
export type { EtcdOptions } from './options.js'
export { followTogether } from './together.js'
export type { EtcdEntry, EtcdEvent } from './wire.js'
