// What happens to a server here: each kind is done to a running dnsmasq, or to its cable, and undone.
export const kinds = ['killed', 'hangs', 'unplugged'] as const
export type Kind = (typeof kinds)[number]

/** It refuses connections; the others give no answer at all. */
export const isRefusing = (kind: Kind): boolean => kind === 'killed'

/** Every second one is killed. */
export const kindOf = (index: number): Kind =>
  index % 2 === 0 ? 'killed' : index % 4 === 1 ? 'hangs' : 'unplugged'
