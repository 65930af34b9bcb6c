// What is piped into the lab goes on to the command in the guest, over a serial line.
import { type Readable, Transform, type TransformCallback, type Writable } from 'node:stream'

/** What init.sh takes at a time. */
const MOST = 65_536

/**
 * A line cannot say that there is no more: closed, it forgets what nobody has read yet. So each piece comes behind its size, and a size of
 * 0 is the end.
 */
class Pieces extends Transform {
  override _transform(bytes: Buffer, _: BufferEncoding, done: TransformCallback): void {
    for (let at = 0; at < bytes.length; at += MOST) {
      const piece = bytes.subarray(at, at + MOST)
      this.push(`${piece.length}\n`)
      this.push(piece)
    }
    done()
  }

  override _flush(done: TransformCallback): void {
    this.push('0\n')
    done()
  }
}

/** @returns what stops it: nothing is read from `input` any more */
export function passInput(input: Readable, line: Writable): () => void {
  const pieces = new Pieces()
  // Who reads it, in the guest, may end first.
  input.on('error', () => pieces.end())
  input.pipe(pieces).pipe(line, { end: false })
  return () => {
    input.unpipe(pieces)
    input.pause()
  }
}
