// Do the servers fit the fronts, and each other? What opening a pool finds, without opening it.
import { Server } from '../policy/server.js'
import { applyServerList } from '../policy/server-list.js'
import { Front } from '../state/front.js'
import type { Settings } from './options.js'

/** @throws TypeError, RangeError naming the place in the list */
export function checkPool(settings: Settings): void {
  const fronts = settings.fronts.map((spec) => new Front(spec))
  const make = (list: 'servers' | 'backup') =>
    settings[list].map((spec, index) => {
      const option = `options.${list}[${index}]`
      return new Server(spec, option, settings, fronts, 'unknown', list === 'backup')
    })
  const backup = make('backup')
  applyServerList(new Map(), backup, 'options.backup')
  applyServerList(new Map(backup.map((one) => [one.key, one])), make('servers'), 'options.servers')
}
