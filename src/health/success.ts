// What a check that has resolved says about the member.
import { inspect } from 'node:util'
import { Inconclusive } from './outcome.js'

export interface Success {
  readonly detail: string
  /** 0 to 1; 1 if the check named none. */
  readonly weightFactor: number
}

/** @throws Inconclusive for a weight factor that is no number: the fault is the check's. */
export function readSuccess(value: unknown): Success {
  const said = typeof value === 'object' && value !== null ? value : {}
  const detail = 'detail' in said && typeof said.detail === 'string' ? said.detail : 'healthy'
  const factor = 'weightFactor' in said && said.weightFactor !== undefined ? said.weightFactor : 1
  if (typeof factor !== 'number' || Number.isNaN(factor)) {
    throw new Inconclusive(
      `the check returned weightFactor ${inspect(factor)}, which is not a number from 0 to 1`,
    )
  }
  return { detail, weightFactor: Math.min(1, Math.max(0, factor)) }
}
