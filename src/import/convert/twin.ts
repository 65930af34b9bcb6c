// The trick of 2006: notify_up and notify_down that call ipvsadm for the other protocol.
import type { Protocol } from '../../types.js'
import type { Script } from '../model/model.js'
import { readAddress, readPort } from '../model/words.js'
import { isServiceAddress } from './accepted.js'

/** What a script says to ipvsadm. What is broken or left out in it is `undefined`. */
export interface Twin {
  readonly protocol: Protocol
  readonly address: string | undefined
  readonly port: number | undefined
  /** Of the real server. */
  readonly server: string | undefined
  readonly weight: number | undefined
  /** It does nothing else. */
  readonly whole: boolean
}

const protocols: Readonly<Record<string, Protocol>> = {
  '-t': 'tcp',
  '--tcp-service': 'tcp',
  '-u': 'udp',
  '--udp-service': 'udp',
  '--sctp-service': 'sctp',
}
/** Of servers only: those of services say nothing about one server. */
const SERVERS = /^(-a|-d|-e|--add-server|--delete-server|--edit-server)$/

/** `undefined`: it calls no ipvsadm for a server, or does not say so. */
export function readTwin({ text }: Script): Twin | undefined {
  const commands = text.replaceAll(/["']/g, ' ').split(/;|&&|\|\||\n|&|\|/)
  const twins = commands.map(readCommand)
  const first = twins.find((twin) => twin !== undefined)
  if (first === undefined) return undefined
  const others = commands.filter(
    (command, index) => twins[index] === undefined && !/^\s*(true|exit 0)?\s*$/.test(command),
  )
  const same = twins.every((twin) => twin === undefined || twin.protocol === first.protocol)
  return { ...first, whole: others.length === 0 && same }
}

function readCommand(text: string): Omit<Twin, 'whole'> | undefined {
  const words = text.trim().split(/\s+/)
  const at = words.findIndex((word) => /(^|\/)ipvsadm$/.test(word))
  if (at < 0) return undefined
  const options = words.slice(at + 1)
  const service = options.findIndex((word) => Object.hasOwn(protocols, word))
  if (service < 0 || !options.some((word) => SERVERS.test(word))) return undefined
  const behind = (index: number) =>
    index < 0 || options[index + 1]?.startsWith('-') ? undefined : options[index + 1]
  const place = readPlace(behind(service))
  const weight = Number(behind(options.findIndex((word) => word === '-w' || word === '--weight')))
  return {
    protocol: protocols[options[service]!]!,
    ...place,
    server: readPlace(
      behind(options.findIndex((word) => word === '-r' || word === '--real-server')),
    ).address,
    weight: Number.isInteger(weight) ? weight : undefined,
  }
}

/** `192.0.2.1:53`, `[2001:db8::1]:53`; what of it is none is left out. */
function readPlace(text: string | undefined): Pick<Twin, 'address' | 'port'> {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(text ?? '') ?? []
  const address = bracketed ?? plain ?? ''
  const read = readAddress(address)?.address
  return {
    address: read !== undefined && isServiceAddress(read) ? read : undefined,
    port: readPort(port ?? ''),
  }
}
