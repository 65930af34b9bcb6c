// Where a pool's servers may come from, besides the program itself.
export { type ConsulServersOptions, consulServers } from './consul.js'
export { type ResolveServersOptions, resolveServers, type ServerResolver } from './dns.js'
export { type EtcdServersOptions, etcdServers } from './etcd.js'
export { type WatchServersOptions, watchServers } from './file.js'
export { type HttpServersOptions, httpServers } from './http.js'
export { type KubernetesServersOptions, kubernetesServers } from './kubernetes.js'
export type { ServerSource } from './source.js'
