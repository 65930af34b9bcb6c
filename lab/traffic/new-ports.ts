// Ports that no query has come from before. One that the system draws may by chance be one of a minute ago: the load
// balancer still remembers where that went.

/** Below those that Linux draws from (net.ipv4.ip_local_port_range). */
const FIRST = 10_000
const LAST = 32_767

let next = FIRST

/** For a UDP socket. Begins again after 22,768 of them. */
export function newPort(): number {
  const port = next
  next = port === LAST ? FIRST : port + 1
  return port
}
