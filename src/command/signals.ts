// ^C and SIGTERM, for commands that have something to end.

/** Aborted by the first of them, with its name as the reason; a second one ends the process. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(name))
  }
  return controller.signal
}
