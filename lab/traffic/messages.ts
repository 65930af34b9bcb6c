// How the programs of a scenario talk: each says one JSON object a line, and is told words, a line each.
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** Milliseconds of CLOCK_MONOTONIC: the same clock in all processes of one kernel. */
export const now = () => Number(process.hrtime.bigint()) / 1e6

/** Written before it returns, so that nothing is lost when the process ends. */
export function tell<M extends { readonly type: string }>(message: NoInfer<M>): void {
  writeSync(1, `${JSON.stringify(message)}\n`)
}

/** From now on, this program can be told what to do. */
export function tellReady(): void {
  writeSync(1, 'ready\n')
}

/**
 * Calls back for each line, with the words behind the first; `stop` when the input ends, as it does when whoever started
 * this program has died: nobody is left behind.
 */
export function onOrders(orders: Record<string, (...words: string[]) => void>): void {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    const [order = '', ...words] = line.split(' ')
    orders[order]?.(...words)
  })
  lines.on('close', () => orders.stop?.())
}
