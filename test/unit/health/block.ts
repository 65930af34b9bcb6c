/** Blocks the event loop for so long, or longer where the machine is busy; returns for how long. */
export function block(ms: number): number {
  const begin = performance.now()
  while (performance.now() < begin + ms);
  return performance.now() - begin
}
