/**
 * A keepalived.conf as a director's configuration. Reads text, and opens no file by itself.
 *
 * @module ipvs/import
 */
import { convert } from './convert/convert.js'
import type { JsonMap } from './convert/document.js'
import { readBlocks } from './language/blocks.js'
import type { FileReader } from './language/files.js'
import { root } from './language/grammar.js'
import { readLines } from './language/lines.js'
import { readModel } from './model/read.js'
import { type ImportNote, Notes } from './note.js'

export type { Json, JsonMap } from './convert/document.js'
export type { FileReader } from './language/files.js'
export type { ImportNote } from './note.js'

/** Options of {@link importKeepalived}. */
export interface ImportOptions extends FileReader {
  /** Path of the file, for notes, and where the files that it includes are looked for. */
  readonly file: string
  /**
   * Whose configuration it is to be, where lines begin with `@id`: keepalived's `--config-id`, which is the host's name up to its first
   * dot by default. Default: nobody's; then lines of any id are left out, and noted.
   */
  readonly id?: string | undefined
  /** What `$_INSTANCE` stands for. Default: `id`. */
  readonly instance?: string | undefined
  /** Where `${_ENV NAME}` is looked up. Default: nothing is there. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** What has become of a keepalived.conf. */
export interface Imported {
  /** What the director reads, as plain data. */
  readonly document: JsonMap
  /** The same as YAML, with comments that say where its values come from. */
  readonly text: string
  /** What could not be carried over as it was, in the order of the file. */
  readonly notes: readonly ImportNote[]
  /**
   * Blocks that are nothing of IPVS's, as they stand there: VRRP, BFD, `global_defs`. Where there are sync daemons, which the
   * director takes over, with the FIFO by which it hears of the roles in their place.
   */
  readonly vrrp: string
}

/**
 * Reads a keepalived.conf as keepalived does, and makes a director's configuration of its virtual servers. It does what
 * keepalived does with the file, also where that is not what was meant, and notes it; whatever is in the text, it does not throw.
 *
 * @param text what stands in the file
 */
export function importKeepalived(text: string, options: ImportOptions): Imported {
  const notes = new Notes()
  const lines = readLines(text, options, notes)
  const model = readModel(readBlocks(lines.lines, root, notes), lines, notes)
  const { document, text: yaml } = convert(model, options.file, notes)
  return { document, text: yaml, notes: notes.sorted([...lines.sources.keys()]), vrrp: model.vrrp }
}
