// As much of DNS as the clients and servers of a scenario speak: one question for an address, one answer with one.
import { questionName } from '../network/three-servers.js'

/** The question for {@link questionName}. */
export function queryMessage(id: number): Buffer {
  const labels = questionName.split('.').map((label) => [label.length, ...Buffer.from(label)])
  // Recursion desired, one question; at its end the root, type A, class IN.
  const head = [id >> 8, id & 0xff, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0]
  return Buffer.from([...head, ...labels.flat(), 0, 0, 1, 0, 1])
}

export const isQuery = (message: Buffer): boolean =>
  message.length >= 17 && message.indexOf(0, 12) >= 0

export function answerTo(query: Buffer, address: string): Buffer {
  // The question ends with the root's empty label, type and class.
  const end = query.indexOf(0, 12) + 5
  const answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]
  const message = Buffer.concat([query.subarray(0, end), Buffer.from(answer)])
  // An authoritative answer: one question, one record, nothing else.
  message.set([0x84 | (query.readUInt8(2) & 1), 0, 0, 1, 0, 1, 0, 0, 0, 0], 2)
  return message
}

/** The address in an answer; `undefined` where it says that there is none. */
export function addressIn(message: Buffer): string | undefined {
  if (message.length < 16) return undefined
  const failed = (message.readUInt8(3) & 0x0f) !== 0 || message.readUInt16BE(6) === 0
  // The one record is at the end, and its address are the last four bytes.
  return failed ? undefined : [...message.subarray(-4)].join('.')
}

/** As it is sent over TCP: its length comes first. */
export const framed = (message: Buffer): Buffer =>
  Buffer.concat([Buffer.from([message.length >> 8, message.length & 0xff]), message])

/** What comes over TCP, cut into messages; each piece of the stream is given to the function returned. */
export function unframe(heard: (message: Buffer) => void): (data: Buffer) => void {
  let received: Buffer = Buffer.alloc(0)
  return (data) => {
    received = Buffer.concat([received, data])
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0)
      heard(received.subarray(2, end))
      received = received.subarray(end)
    }
  }
}
