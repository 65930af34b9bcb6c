// A TLS server of the last century, without RFC 5746, which neither OpenSSL nor Node.js can be.
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  type KeyObject,
  privateDecrypt,
  randomBytes,
  X509Certificate,
} from 'node:crypto'
import type { Socket } from 'node:net'
import type { TcpHandler } from './loopback.js'

/** TLS_RSA_WITH_AES_128_CBC_SHA, which every server of that time has. */
const cipher = 0x002f
const keyBytes = 16
const macBytes = 20

const changeCipherSpec = 20
const handshake = 22
const data = 23

/**
 * TLS 1.2 (RFC 5246) with an RSA key, as it was before RFC 5746: the answer to a hello has no extensions. Says what `answer` makes
 * of what it hears.
 */
export function withoutSecureRenegotiation(
  { cert, privateKey }: { readonly cert: string; readonly privateKey: KeyObject },
  greeting: string,
  answer: (heard: string) => string,
): TcpHandler {
  return (socket) => {
    const certificate = new X509Certificate(cert).raw
    const server = new OldServer(socket, { certificate, key: privateKey, greeting, answer })
    let received = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 5 && received.length >= 5 + received.readUInt16BE(3)) {
        const length = received.readUInt16BE(3)
        server.take(received[0] ?? 0, received.subarray(5, 5 + length))
        received = received.subarray(5 + length)
      }
    })
  }
}

interface Plan {
  readonly certificate: Buffer
  readonly key: KeyObject
  readonly greeting: string
  readonly answer: (heard: string) => string
}

class OldServer {
  readonly #socket: Socket
  readonly #plan: Plan
  readonly #random = randomBytes(32)
  readonly #said: Buffer[] = []
  #clientRandom: Buffer = Buffer.alloc(0)
  #master: Buffer = Buffer.alloc(0)
  #read: Keys | undefined
  #write: Keys | undefined

  constructor(socket: Socket, plan: Plan) {
    this.#socket = socket
    this.#plan = plan
  }

  take(type: number, record: Buffer): void {
    const fragment = this.#read === undefined ? record : this.#read.open(record)
    if (type === changeCipherSpec) this.#makeKeys()
    if (type === data)
      this.#say(data, Buffer.from(this.#plan.answer(fragment.toString('latin1')), 'latin1'))
    if (type === handshake) this.#listen(fragment)
  }

  #listen(fragment: Buffer): void {
    this.#said.push(fragment)
    if (fragment[0] === 1) this.#hello(fragment)
    // Client key exchange: a length of two bytes, then the secret under our key.
    if (fragment[0] === 16) this.#secret(fragment.subarray(6))
    if (fragment[0] === 20) this.#finish()
  }

  #hello(hello: Buffer): void {
    this.#clientRandom = hello.subarray(6, 38)
    const session = Buffer.from([0, cipher >> 8, cipher & 0xff, 0])
    const version = Buffer.from([3, 3])
    const certificate = lengthed(lengthed(this.#plan.certificate))
    const flight = [
      message(2, Buffer.concat([version, this.#random, session])),
      message(11, certificate),
      message(14, Buffer.alloc(0)),
    ]
    for (const one of flight) {
      this.#said.push(one)
      this.#say(handshake, one)
    }
  }

  #secret(encrypted: Buffer): void {
    const padded = privateDecrypt(
      { key: this.#plan.key, padding: constants.RSA_NO_PADDING },
      encrypted,
    )
    const randoms = Buffer.concat([this.#clientRandom, this.#random])
    this.#master = prf(padded.subarray(-48), 'master secret', randoms, 48)
  }

  #makeKeys(): void {
    const randoms = Buffer.concat([this.#random, this.#clientRandom])
    const block = prf(this.#master, 'key expansion', randoms, 2 * (macBytes + keyBytes))
    const part = (from: number, length: number) => block.subarray(from, from + length)
    this.#read = new Keys(part(0, macBytes), part(2 * macBytes, keyBytes))
    this.#write = new Keys(part(macBytes, macBytes), part(2 * macBytes + keyBytes, keyBytes))
  }

  #finish(): void {
    const keys = this.#write
    this.#write = undefined
    this.#say(changeCipherSpec, Buffer.from([1]))
    this.#write = keys
    const hash = createHash('sha256').update(Buffer.concat(this.#said)).digest()
    this.#say(handshake, message(20, prf(this.#master, 'server finished', hash, 12)))
    if (this.#plan.greeting !== '') this.#say(data, Buffer.from(this.#plan.greeting))
  }

  #say(type: number, fragment: Buffer): void {
    const record = this.#write === undefined ? fragment : this.#write.seal(type, fragment)
    const head = Buffer.from([type, 3, 3, record.length >> 8, record.length & 0xff])
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat([head, record]))
  }
}

/** Of one direction. */
class Keys {
  readonly #mac: Buffer
  readonly #key: Buffer
  #sequence = 0n

  constructor(mac: Buffer, key: Buffer) {
    this.#mac = mac
    this.#key = key
  }

  seal(type: number, fragment: Buffer): Buffer {
    const head = Buffer.alloc(13)
    head.writeBigUInt64BE(this.#sequence++)
    head.set([type, 3, 3, fragment.length >> 8, fragment.length & 0xff], 8)
    const mac = createHmac('sha1', this.#mac).update(head).update(fragment).digest()
    const iv = randomBytes(16)
    // PKCS #7 counts from 1, TLS from 0: the last byte says how many come before it.
    const length = 16 - ((fragment.length + macBytes) % 16)
    const plain = Buffer.concat([fragment, mac, Buffer.alloc(length, length - 1)])
    const aes = createCipheriv('aes-128-cbc', this.#key, iv).setAutoPadding(false)
    return Buffer.concat([iv, aes.update(plain), aes.final()])
  }

  open(record: Buffer): Buffer {
    const aes = createDecipheriv('aes-128-cbc', this.#key, record.subarray(0, 16)).setAutoPadding(
      false,
    )
    const plain = Buffer.concat([aes.update(record.subarray(16)), aes.final()])
    return plain.subarray(0, plain.length - 1 - (plain.at(-1) ?? 0) - macBytes)
  }
}

/** RFC 5246, 5. */
function prf(secret: Buffer, label: string, seed: Buffer, length: number): Buffer {
  const whole = Buffer.concat([Buffer.from(label), seed])
  const hmac = (bytes: Buffer) => createHmac('sha256', secret).update(bytes).digest()
  const blocks: Buffer[] = []
  for (let a = hmac(whole); blocks.length * 32 < length; a = hmac(a))
    blocks.push(hmac(Buffer.concat([a, whole])))
  return Buffer.concat(blocks).subarray(0, length)
}

function message(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type]), lengthed(body)])
}

/** With its length in three bytes. */
function lengthed(body: Buffer): Buffer {
  const length = Buffer.alloc(3)
  length.writeUIntBE(body.length, 0, 3)
  return Buffer.concat([length, body])
}
