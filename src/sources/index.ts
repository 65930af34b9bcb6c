// Where a pool's servers may come from, besides the program itself.
export { type ResolveServersOptions, resolveServers, type ServerResolver } from './dns.js'
export { type EtcdServersOptions, etcdServers } from './etcd.js'
export { type WatchServersOptions, watchServers } from './file.js'
export type { ServerSource } from './source.js'
