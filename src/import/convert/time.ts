// Times as the director's file writes them.

/** `500ms`, `6s` */
export function duration(ms: number): string {
  return ms > 0 && ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}
