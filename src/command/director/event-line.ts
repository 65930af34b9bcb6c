// An event as a line.
import type { DirectorEvent, DirectorEventName } from '../../director/index.js'
import type { Paint } from '../paint.js'

const STYLES: Partial<Record<DirectorEventName, 'red' | 'yellow' | 'green'>> = {
  up: 'green',
  down: 'red',
  error: 'red',
  quorum: 'yellow',
  warning: 'yellow',
  diverged: 'yellow',
  drift: 'yellow',
}

/** `2026-11-29T16:00:00.000Z down dns/10.1.0.1:53 is down: …` */
export function eventLine({ time, event, text }: DirectorEvent, paint: Paint): string {
  const style = STYLES[event]
  const word = style === undefined ? event : paint(style, event)
  return `${paint('dim', new Date(time).toISOString())} ${word} ${text}`
}
