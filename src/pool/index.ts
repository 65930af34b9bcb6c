// Mirrored pools: one set of servers, several services that agree.
export type { FieldDifference } from '../diff.js'
export type { PoolServer } from '../servers.js'
export type { FollowOptions, ServerList } from './follow.js'
export type { ReconcileResult } from './mirror.js'
export { MirroredPool } from './pool.js'
export type * from './types.js'
