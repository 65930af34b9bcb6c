// A registry of prom-client, and nothing else of that package: the rest of it wants packages that the command does not bring.
import type { Registry } from 'prom-client'
// @ts-expect-error: the package declares its whole, and no part of it
import Registered from 'prom-client/lib/registry.js'

/** Empty. */
export function metricsRegistry(): Registry {
  return new (Registered as new () => Registry)()
}
