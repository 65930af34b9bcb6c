// Mirrored pools: one set of servers, several services that agree.
export type { FieldDifference } from '../diff.js'
export type { AdminState, PoolServer } from '../servers.js'
export type * from './api.js'
export type { FollowOptions } from './follow.js'
export type { ServerList } from './held-servers.js'
export { MirroredPool } from './pool.js'
export type { ReconcileResult } from './reconciler/reconciler.js'
