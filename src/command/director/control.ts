// The director that a command speaks to.
import type { ControlRequest } from '../../director/index.js'
import type { Call } from '../spec.js'

export function controlPath({ options }: Pick<Call, 'options'>): string {
  const given = options.control ?? process.env.IPVS_CONTROL
  return typeof given === 'string' && given !== '' ? given : '/run/ipvs/director.sock'
}

/** @throws ControlError */
export async function ask(call: Call, request: ControlRequest): Promise<unknown> {
  const { askDirector } = await import('../../director/index.js')
  return askDirector(controlPath(call), request)
}
