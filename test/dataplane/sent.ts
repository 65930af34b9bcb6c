// What a controller has sent to IPVS that could change something, out of strace's record of it.
import { messages, systemCalls } from '../kernel/strace.js'

/** linux/ip_vs.h: IPVS_CMD_…: GET_SERVICE, GET_DEST, GET_DAEMON, GET_CONFIG, GET_INFO. */
const READING = [4, 8, 11, 13, 15]
/** genetlink.h: GENL_ID_CTRL, which is asked for the family; types below are netlink's own. */
const CONTROLLER = 0x10

/** The commands, in order. */
export function mutatingMessages(strace: string): number[] {
  const calls = systemCalls(strace).filter(
    ({ name, netlink }) => netlink && name.startsWith('send'),
  )
  if (calls.length === 0) throw new Error('strace has seen no netlink message at all.')
  return calls
    .flatMap(({ bytes }) => messages(bytes))
    .filter(({ type, command }) => type > CONTROLLER && !READING.includes(command))
    .map(({ command }) => command)
}
