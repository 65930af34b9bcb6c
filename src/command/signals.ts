// ^C and SIGTERM, for commands that have something to end.

/** The signal is aborted by the first of them, with its name as the reason; a second one ends the process. */
export async function untilStopped<T>(
  work: (signal: AbortSignal) => Promise<T>,
  names: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'],
): Promise<T> {
  const controller = new AbortController()
  const stop = (name: NodeJS.Signals) => {
    controller.abort(name)
    for (const one of names) process.off(one, stop)
  }
  for (const name of names) process.on(name, stop)
  try {
    return await work(controller.signal)
  } finally {
    for (const name of names) process.off(name, stop)
  }
}
