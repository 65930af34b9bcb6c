// Tables in files: rules of ipvsadm-save, listings, and tables in YAML or JSON.
import { parseListing } from '../../rules/listing.js'
import { parseRules } from '../../rules/parse.js'
import type { ServiceTree } from '../../types.js'
import { usageError } from '../errors.js'
import { nameOf, readText } from './file.js'
import { type Mistake, MOST, mistakes } from './mistakes.js'
import type { SeenTable } from './seen.js'

type Kind = 'rules' | 'listing' | 'document'

/** What somebody wants the table to be. @throws CommandError that names every mistake */
export async function loadDesired(file: string): Promise<ServiceTree[]> {
  const text = await readText(file)
  switch (kindOf(text)) {
    case 'rules':
      return rulesIn(text, file)
    case 'document': {
      const { readDocument } = await import('./document.js')
      return readDocument(text, nameOf(file))
    }
    case 'listing':
      throw usageError(
        `${nameOf(file)} is a listing, which does not say everything of a table (${parsedListing(text, file).lacks.join(', ')}): nothing was changed. Save it as rules, with "ipvs save" or "ipvsadm-save -n".`,
      )
  }
}

/** What somebody has seen, of whatever kind. @throws CommandError */
export async function loadSeen(file: string): Promise<SeenTable> {
  const text = await readText(file)
  const source = nameOf(file)
  const kind = kindOf(text)
  if (kind === 'listing') {
    const { services, lacks } = parsedListing(text, file)
    return { source, services, lacks }
  }
  const lacks = ['connections', 'counters', 'rates']
  if (kind === 'rules') return { source, services: rulesIn(text, file), lacks }
  const { readDocument } = await import('./document.js')
  return { source, services: readDocument(text, source), lacks }
}

/** By what stands in it, not by its name. */
function kindOf(text: string): Kind {
  if (/^\s*Prot +LocalAddress:Port /m.test(text)) return 'listing'
  const first = text.split('\n').find((line) => !/^\s*(#.*)?$/.test(line))
  return first === undefined || /^\s*((\S*\/)?ipvsadm\s|--?[A-Za-z])/.test(first)
    ? 'rules'
    : 'document'
}

function parsedListing(text: string, file: string) {
  try {
    return parseListing(text)
  } catch (error) {
    throw mistakes(file, [lineOf(error)])
  }
}

/** Every line that is wrong, up to one that other lines rest on. */
function rulesIn(text: string, file: string): ServiceTree[] {
  const lines = text.split('\n')
  const found: Mistake[] = []
  for (;;) {
    try {
      const services = parseRules(lines.join('\n'))
      if (found.length === 0) return services
    } catch (error) {
      const mistake = lineOf(error)
      found.push(mistake)
      const wrong = lines[mistake.line - 1] ?? ''
      lines[mistake.line - 1] = ''
      if (/(^|\s)-a/.test(wrong) && found.length < MOST) continue
    }
    throw mistakes(file, found)
  }
}

/** The library's own errors begin with the line. */
function lineOf(error: unknown): Mistake {
  const { message, code } = error as { readonly message: string; readonly code?: string }
  const [, line, text] = /^line (\d+): (.*)$/s.exec(message) ?? []
  if (code !== 'ERR_IPVS_ARGUMENT' || line === undefined) throw error
  return { line: Number(line), text: text! }
}
