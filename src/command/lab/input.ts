// What is piped into the lab goes on to the command in the guest, over a serial line.
import { type Readable, Transform, type TransformCallback, type Writable } from 'node:stream'

/**
 * A line cannot say that there is no more: closed, it forgets what nobody has read yet. So each piece comes behind its size, and a size of
 * 0 is the end.
 */
class Pieces extends Transform {
  override _transform(piece: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.push(sizeOf(piece.length))
    this.push(piece)
    done()
  }

  override _flush(done: TransformCallback): void {
    this.push(sizeOf(0))
    done()
  }
}

function sizeOf(bytes: number): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes)
  return size
}

/**
 * @param told of a failure: the command sees an end there
 * @returns what stops it: nothing is read from `input` any more
 */
export function passInput(
  input: Readable,
  line: Writable,
  told: (error: Error) => void,
): () => void {
  const pieces = new Pieces()
  const onError = (error: Error) => {
    told(error)
    pieces.end()
  }
  input.on('error', onError).pipe(pieces).pipe(line, { end: false })
  return () => {
    input.off('error', onError).unpipe(pieces)
    input.pause()
  }
}
