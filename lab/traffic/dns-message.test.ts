import { expect, test } from 'vitest'
import { addressIn, answerTo, framed, isQuery, queryMessage, unframe } from './dns-message.js'

test('an answer has the id of its question, and the address', () => {
  const query = queryMessage(0xabcd)
  expect(isQuery(query)).toBe(true)
  const answer = answerTo(query, '192.0.2.12')
  expect(answer.readUInt16BE(0)).toBe(0xabcd)
  expect(addressIn(answer)).toBe('192.0.2.12')
})

test('what is no answer has no address', () => {
  expect(addressIn(Buffer.alloc(4))).toBeUndefined()
  expect(addressIn(queryMessage(1))).toBeUndefined()
  const refused = answerTo(queryMessage(1), '192.0.2.12')
  refused[3]! |= 5
  expect(addressIn(refused)).toBeUndefined()
  expect(isQuery(Buffer.alloc(12))).toBe(false)
})

test('messages come out of a stream however it is cut', () => {
  const messages = [queryMessage(1), answerTo(queryMessage(2), '192.0.2.11'), Buffer.alloc(0)]
  const stream = Buffer.concat(messages.map(framed))
  for (const size of [1, 3, 40, stream.length]) {
    const heard: Buffer[] = []
    const feed = unframe((message) => heard.push(message))
    for (let at = 0; at < stream.length; at += size) feed(stream.subarray(at, at + size))
    expect(heard).toEqual(messages)
  }
})
