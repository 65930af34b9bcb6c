/**
 * The director: pools, checks and sources as a file says, and kept so.
 *
 * @module ipvs/director
 */
export type { AnnounceState, AnnounceWord } from './announce.js'
export type {
  CheckResult,
  ConnectionCounts,
  ReloadResult,
  SetResult,
  StateFilter,
} from './api.js'
export type { CheckedStep } from './check-now.js'
export type { AnnounceConfig } from './config/announce.js'
export type { CheckConfig, CheckStep, NoCheck } from './config/checks.js'
export type { EtcdConfig } from './config/etcd.js'
export type { PeerConfig, VerdictsConfig } from './config/fleet.js'
export type { HookConfig, HookEvent } from './config/hooks.js'
export { ConfigError, type ConfigMistake } from './config/mistakes.js'
export type { FrontOptions, PoolConfig } from './config/pools.js'
export {
  type Config,
  type HttpConfig,
  type OnStop,
  type ReadConfigOptions,
  readConfig,
} from './config/read.js'
export type { RoleConfig, RoleSource } from './config/role.js'
export type { ServerConfig, SourceConfig } from './config/servers.js'
export { askDirector, ControlError, followDirector } from './control/client.js'
export type { ControlAnswer, ControlRequest } from './control/protocol.js'
export { type ControlOptions, type ControlServer, serveControl } from './control/server.js'
export { Director, type DirectorOptions } from './director.js'
export type { DirectorEvent, DirectorEventName } from './events.js'
export type { FleetDirector, FleetRow, FleetState, FleetWord } from './fleet.js'
export { type HttpOptions, type HttpServer, type MetricsText, serveHttp } from './http/serve.js'
export type { DestinationTraffic, HttpState, ServiceTraffic, Traffic } from './http/view.js'
export type { Override, OverrideChange, Said } from './overrides.js'
export type { RoleState } from './role/role-keeper.js'
export type { VrrpName } from './role/words.js'
export { tellServiceManager } from './service-manager.js'
export type { CheckState, DirectorState, PoolState, ServerState } from './state.js'
