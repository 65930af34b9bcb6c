// The records of what concerns the namespace as a whole: timeouts, sync daemons, zeroing, flushing.
import type { IpvsCommand } from '../errors.js'
import { type CheckedDaemon, daemonStatus, type SyncDaemonStatus } from '../system/sync-daemon.js'
import type { CheckedTimeouts, Timeouts } from '../system/timeouts.js'
import type { CheckedServiceId } from '../validate.js'
import type { Layout } from './addon.js'
import { ChangeWriter, LITTLE_ENDIAN, readName } from './records.js'

/** A command on the namespace, checked. */
export type SystemCommand =
  | { readonly op: 'zero'; readonly service: CheckedServiceId | undefined }
  | { readonly op: 'flush' }
  | { readonly op: 'set-timeouts'; readonly timeouts: CheckedTimeouts }
  | { readonly op: 'start-daemon'; readonly daemon: CheckedDaemon }
  | { readonly op: 'stop-daemon'; readonly state: number }

/** What the kernel says of itself. */
export interface KernelInfo {
  /** Version of IPVS, not of Linux: `1.2.1`. */
  readonly version: string
  /** Buckets of the connection table; on 7.2 the present number, 0 before the first service. */
  readonly connectionTableSize: number
}

// Numbers of native/record.h: Op.
const OPS = {
  zero: 11,
  flush: 12,
  'set-timeouts': 13,
  'start-daemon': 14,
  'stop-daemon': 15,
} as const

export const COMMAND_NAMES = {
  zero: 'ZERO',
  flush: 'FLUSH',
  'set-timeouts': 'SET_CONFIG',
  'start-daemon': 'NEW_DAEMON',
  'stop-daemon': 'DEL_DAEMON',
} as const satisfies Record<SystemCommand['op'], IpvsCommand>

export function encodeCommand(layout: Layout, command: SystemCommand): Uint8Array {
  const bytes =
    command.op === 'zero' && command.service !== undefined
      ? ChangeWriter.identity(layout, command.service)
      : new Uint8Array(layout.change)
  const view = new DataView(bytes.buffer)
  bytes[layout.op] = OPS[command.op]
  switch (command.op) {
    case 'set-timeouts': {
      const { tcp, tcpFin, udp } = command.timeouts
      view.setUint32(layout.timeouts + layout.timeoutTcp, tcp, LITTLE_ENDIAN)
      view.setUint32(layout.timeouts + layout.timeoutTcpFin, tcpFin, LITTLE_ENDIAN)
      view.setUint32(layout.timeouts + layout.timeoutUdp, udp, LITTLE_ENDIAN)
      break
    }
    case 'start-daemon': {
      const { daemon } = command
      const at = layout.daemon
      view.setUint32(at + layout.daemonState, daemon.state, LITTLE_ENDIAN)
      view.setUint32(at + layout.daemonSyncId, daemon.syncId, LITTLE_ENDIAN)
      bytes.set(Buffer.from(daemon.interface, 'latin1'), at + layout.daemonInterface)
      view.setUint16(at + layout.daemonMaxLength, daemon.maxLength, LITTLE_ENDIAN)
      view.setUint16(at + layout.daemonPort, daemon.port, LITTLE_ENDIAN)
      view.setUint8(at + layout.daemonTtl, daemon.ttl)
      if (daemon.group !== undefined) {
        const af = daemon.group.length === 16 ? 10 : 2
        view.setUint16(at + layout.daemonGroupAf, af, LITTLE_ENDIAN)
        bytes.set(Array.from(daemon.group), at + layout.daemonGroup)
      }
      break
    }
    case 'stop-daemon':
      view.setUint32(layout.daemon + layout.daemonState, command.state, LITTLE_ENDIAN)
      break
  }
  return bytes
}

export function decodeTimeouts(layout: Layout, bytes: Uint8Array): Timeouts {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return {
    tcpSeconds: view.getUint32(layout.timeoutTcp, LITTLE_ENDIAN),
    tcpFinSeconds: view.getUint32(layout.timeoutTcpFin, LITTLE_ENDIAN),
    udpSeconds: view.getUint32(layout.timeoutUdp, LITTLE_ENDIAN),
  }
}

export function decodeInfo(layout: Layout, bytes: Uint8Array): KernelInfo {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const version = view.getUint32(layout.infoVersion, LITTLE_ENDIAN)
  return {
    // linux/ip_vs.h: NVERSION
    version: `${(version >> 16) & 255}.${(version >> 8) & 255}.${version & 255}`,
    connectionTableSize: view.getUint32(layout.infoConnectionTableSize, LITTLE_ENDIAN),
  }
}

export function decodeDaemons(layout: Layout, bytes: Uint8Array): SyncDaemonStatus[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const daemons: SyncDaemonStatus[] = []
  for (let at = 0; at < bytes.byteLength; at += layout.daemonRow) {
    const state = view.getUint32(at + layout.daemonState, LITTLE_ENDIAN)
    const af = view.getUint16(at + layout.daemonGroupAf, LITTLE_ENDIAN)
    const group = bytes.subarray(at + layout.daemonGroup, at + layout.daemonGroup + 16)
    daemons.push(
      daemonStatus(state, af, group, {
        interface: readName(view, at + layout.daemonInterface),
        syncId: view.getUint32(at + layout.daemonSyncId, LITTLE_ENDIAN),
        maxLength: view.getUint16(at + layout.daemonMaxLength, LITTLE_ENDIAN),
        port: view.getUint16(at + layout.daemonPort, LITTLE_ENDIAN),
        ttl: view.getUint8(at + layout.daemonTtl),
      }),
    )
  }
  return daemons
}
