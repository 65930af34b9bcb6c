// node netlink.mjs one|many each|bulk|load|read FILE
// The npm package `netlink` over its generic-netlink socket. one: a change at a time, awaited. many: up to 64 in
// flight. It knows no IPVS; the attributes are written here, before the clock starts.
import netlink from 'netlink'
import { drive } from './workload.mjs'

const { createGenericNetlink, formatAttribute, parseAttribute, FlagsGet, genl } = netlink

// linux/ip_vs.h
const NEW_SERVICE = 1
const SET_SERVICE = 2
const DEL_SERVICE = 3
const GET_SERVICE = 4
const NEW_DEST = 5
const SET_DEST = 6
const DEL_DEST = 7
const GET_DEST = 8
const commands = {
  '-A': NEW_SERVICE,
  '-E': SET_SERVICE,
  '-D': DEL_SERVICE,
  '-a': NEW_DEST,
  '-e': SET_DEST,
  '-d': DEL_DEST,
}
const methods = { '-m': 0, '-i': 2, '-g': 3 }
const inFlight = 64

const number = (size, value) => {
  const bytes = Buffer.alloc(size)
  if (size === 2) bytes.writeUInt16LE(value)
  else bytes.writeUInt32LE(value)
  return bytes
}
const port = (value) => Buffer.from([value >> 8, value & 255])
const address = (text) => Buffer.from(text.split('.').map(Number))

/** Attributes in order: [type, bytes]. */
function attributes(list) {
  return list.flatMap(([type, data]) => {
    const parts = formatAttribute({ type, data })
    return [...parts, Buffer.alloc(-data.length & 3)]
  })
}

const nest = (type, list) => attributes([[type, Buffer.concat(attributes(list))]])

const serviceKey = (protocol, ip, portNumber) => [
  [1, number(2, 2)],
  [2, number(2, protocol)],
  [3, address(ip)],
  [4, port(portNumber)],
]

function readWords(words) {
  const value = (word) => words[words.indexOf(word) + 1]
  const has = (word) => words.includes(word)
  const [ip, portText] = value(has('-t') ? '-t' : '-u').split(':')
  return {
    command: commands[words.find((word) => word in commands)],
    key: serviceKey(has('-t') ? 6 : 17, ip, Number(portText)),
    scheduler: has('-s') ? value('-s') : 'wlc',
    server: has('-r') ? value('-r').split(':') : undefined,
    method: methods[words.find((word) => word in methods) ?? '-g'],
    weight: has('-w') ? Number(value('-w')) : 1,
  }
}

/** The payload of a change's message. */
function encode({ line, words }) {
  const { command, key, scheduler, server, method, weight } = readWords(words)
  if (command === undefined) throw new Error(`line ${line}: cannot read "${words.join(' ')}"`)
  const service = [...key]
  if (command === NEW_SERVICE || command === SET_SERVICE) {
    service.push(
      [6, Buffer.from(`${scheduler}\0`)],
      [7, Buffer.concat([number(4, 0), number(4, 0xffffffff)])],
      [8, number(4, 0)],
      [9, number(4, 0xffffffff)],
    )
  }
  const parts = nest(1, service)
  if (command >= NEW_DEST) {
    const destination = [
      [1, address(server[0])],
      [2, port(Number(server[1]))],
    ]
    if (command !== DEL_DEST) {
      destination.push(
        [3, number(4, method)],
        [4, number(4, weight)],
        [5, number(4, 0)],
        [6, number(4, 0)],
      )
    }
    parts.push(...nest(2, destination))
  }
  return { command, data: Buffer.concat(parts) }
}

/** The attributes in these bytes by type. */
function parse(bytes) {
  const found = {}
  for (let rest = bytes; rest.length > 0; ) {
    const { x, consumed } = parseAttribute(rest)
    found[x.type] = x.data
    rest = rest.subarray((consumed + 3) & ~3)
  }
  return found
}

async function open() {
  const socket = createGenericNetlink()
  const [family] = await socket.ctrlRequest(genl.Commands.GET_FAMILY, { familyName: 'IPVS' })
  const send = (command, data, flags = 0) =>
    socket.request(family.familyId, command, 1, data, { flags })
  return send
}

async function readTable(send) {
  const [services] = await send(GET_SERVICE, [], FlagsGet.DUMP)
  const destinations = []
  for (const { data } of services) {
    const service = parse(parse(data)[1])
    const ip = service[3].subarray(0, 4).join('.')
    const key = serviceKey(service[2].readUInt16LE(), ip, service[4].readUInt16BE())
    const [rows] = await send(GET_DEST, Buffer.concat(nest(1, key)), FlagsGet.DUMP)
    for (const { data: row } of rows) {
      const destination = parse(parse(row)[2])
      destinations.push({
        address: destination[1].subarray(0, 4).join('.'),
        port: destination[2].readUInt16BE(),
        weight: destination[4].readUInt32LE(),
      })
    }
  }
  return destinations.length
}

async function make(changes, lanes) {
  const send = await open()
  const payloads = new Map(changes.map((change) => [change, encode(change)]))
  const run = async (change) => {
    const { command, data } = payloads.get(change)
    try {
      await send(command, data)
    } catch (error) {
      throw new Error(`line ${change.line}: ${error.message}`)
    }
  }
  // Each lane takes the next change when its last one is answered: the kernel gets them in order.
  const bulk = async (list) => {
    let next = 0
    const lane = async () => {
      while (next < list.length) await run(list[next++])
    }
    await Promise.all(Array.from({ length: Math.min(lanes, list.length) }, lane))
  }
  return { each: bulk, bulk, read: () => readTable(send) }
}

await drive({
  one: (changes) => make(changes, 1),
  many: (changes) => make(changes, inFlight),
})
