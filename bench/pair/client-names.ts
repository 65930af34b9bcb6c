// The clients of clients.ts, for those who count what they have lost.
export const clientNames = [
  'UDP, new ports',
  'UDP, one port',
  'TCP, new connections',
  'TCP, long-lived',
] as const
export type ClientName = (typeof clientNames)[number]

/** Queries; the long-lived connections share theirs. */
export const perSecond: Readonly<Record<ClientName, number>> = {
  'UDP, new ports': 50,
  'UDP, one port': 50,
  'TCP, new connections': 10,
  'TCP, long-lived': 30,
}
