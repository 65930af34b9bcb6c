// What is not sent, because something else went wrong: nothing is taken away before what replaces it is there.
import { IpvsError } from '../errors.js'
import { blocker, type Patience, type Standing } from '../planner/hold.js'
import type { Wanted } from './desired.js'
import type { Step } from './plan.js'

/** The steps that take something away run after the outcome of all others is known. */
export function takesAway({ kind }: Step): boolean {
  return kind === 'lower' || kind === 'drop' || kind === 'remove'
}

/**
 * Why steps that take something away must stay, by step; those that may run are absent.
 *
 * @param failures of the steps that have run
 * @param verified false if the table could not be read reliably: then nothing is removed
 */
export function holdBack(
  wanted: readonly Wanted[],
  steps: readonly Step[],
  failures: ReadonlyMap<Step, Error>,
  verified: boolean,
): Map<Step, IpvsError> {
  const standing = standings(wanted, [...failures.keys()])
  const held = new Map<Step, IpvsError>()
  for (const step of steps) {
    if (!takesAway(step)) continue
    if (step.unnamable !== undefined) {
      held.set(step, notSent(step, `no change can name it (${step.unnamable}). ${OTHER_TOOL}`))
    } else if (!verified && step.kind !== 'lower') {
      held.set(step, notSent(step, UNVERIFIED))
    } else {
      const first = blocker(patience(step), standing(step))
      if (first === undefined) continue
      const why = `${first.target} could not be made first. Reconcile again once it can`
      held.set(step, notSent(step, why, failures.get(first)))
    }
  }
  return held
}

const OTHER_TOOL = 'Remove it with the program that made it'
const UNVERIFIED =
  'the table kept changing while it was read, and nothing is removed on such a read. Reconcile again'

function patience(step: Step): Patience {
  if (step.kind !== 'lower') return 'until-all'
  // A drain does not wait for a destination that cannot be made, unless it would end all service.
  return drains(step) ? 'until-served' : 'none'
}

/** How the service of a step stands, and for one that removes a service: how all stand. */
function standings(
  wanted: readonly Wanted[],
  failed: readonly Step[],
): (step: Step) => Standing<Step> {
  // Which new service takes over from which old one, nobody has said: all old ones wait.
  const unfilled = failed.find(({ kind }) => kind === 'add')
  const missing = new Map<string, Step>()
  for (const step of failed) {
    if (step.kind === 'gain' && !missing.has(step.service)) missing.set(step.service, step)
  }
  const lost = new Set(failed.map(({ target }) => target))
  const dry = new Set<string>()
  for (const { key, destinations } of wanted) {
    if (!missing.has(key)) continue
    const serves = [...destinations].some(
      ([name, { weight }]) => weight !== 0 && !lost.has(`${name} of ${key}`),
    )
    if (!serves) dry.add(key)
  }
  return ({ kind, service }) =>
    kind === 'remove'
      ? { missing: unfilled, serves: false }
      : { missing: missing.get(service), serves: !dry.has(service) }
}

function drains({ change }: Step): boolean {
  return change.op === 'replace-destination' && change.destination.weight === 0
}

function notSent({ change, target }: Step, why: string, cause?: Error): IpvsError {
  const text = `${change.op} ${target} was held back: ${why}`
  return new IpvsError('ERR_IPVS_NOT_SENT', text, { change, cause })
}
