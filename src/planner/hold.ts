// What has to wait: nothing is taken away before what replaces it is there. Shared by `Ipvs.reconcile` and pools.

/** How a service stands while some of what it should gain is not there. */
export interface Standing<Addition> {
  /** An addition that has failed, or has not been answered yet. */
  readonly missing: Addition | undefined
  /** Something that takes connections is there for sure, and stays. */
  readonly serves: boolean
}

/** Until when a loss waits: until all additions are there, until the service does not run dry, or not at all. */
export type Patience = 'until-all' | 'until-served' | 'none'

/** The addition that a loss has to wait for. */
export function blocker<Addition>(
  patience: Patience,
  { missing, serves }: Standing<Addition>,
): Addition | undefined {
  if (patience === 'none') return undefined
  return patience === 'until-served' && serves ? undefined : missing
}
