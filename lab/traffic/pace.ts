// How a client of a play asks again and again.
import { now } from './messages.js'

/** At random moments: in step with round robin, a client would always get the same server. */
export function keepAsking(
  perSecond: number,
  isStopping: () => boolean,
  askOnce: () => void,
): void {
  const interval = 1000 / perSecond
  let due = now()
  const next = () => {
    if (isStopping()) return
    askOnce()
    due = Math.max(now(), due + interval * (0.5 + Math.random()))
    setTimeout(next, due - now())
  }
  next()
}
