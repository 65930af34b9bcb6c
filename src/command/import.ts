// ipvs import: a director's configuration from a keepalived.conf, and what could not be carried over.
import { noteLine, readKeepalived } from './keepalived.js'
import { print, printJson, tell } from './output.js'
import { painter } from './paint.js'
import { exitStatuses, type Run } from './spec.js'
import { readText } from './table/file.js'

export const importFile: Run = async (call) => {
  const { words, options } = call
  const file = words[0]!
  const { document, text, notes, vrrp } = readKeepalived(await readText(file), file, options.id)
  if (options.json) printJson({ document, notes, vrrp })
  else {
    print(options.vrrp ? `${vrrp}\n` : text)
    const paint = painter(call)
    for (const note of notes) tell(noteLine(note, paint))
  }
  return notes.length === 0 ? exitStatuses.done : exitStatuses.failed
}
