// Just enough of an XML parser to refuse a picture that a browser would.

export interface Tag {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  /** Its text and that of the tags within. */
  text: string
}

/** All tags in document order. */
export function parseXml(xml: string): Tag[] {
  const tags: Tag[] = []
  const open: Tag[] = []
  let roots = 0
  let rest = xml.trim()
  while (rest !== '') {
    const content = /^[^<]+/.exec(rest)
    if (content) {
      if (open.length === 0) throw new Error(`text outside of the root: ${content[0]}`)
      for (const tag of open) tag.text += decode(content[0])
      rest = rest.slice(content[0].length)
      continue
    }
    const close = /^<\/([a-zA-Z]+)>/.exec(rest)
    const start = /^<([a-zA-Z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/.exec(rest)
    if (close) {
      const tag = open.pop()
      if (tag?.name !== close[1]) throw new Error(`<${tag?.name}> is closed by </${close[1]}>`)
    } else if (start) {
      const attributes: Record<string, string> = {}
      for (const [, key, value] of start[2]!.matchAll(/([\w:-]+)="([^"]*)"/g)) {
        if (key! in attributes) throw new Error(`${key} twice in ${start[0]}`)
        attributes[key!] = decode(value!)
      }
      const tag = { name: start[1]!, attributes, text: '' }
      if (open.length === 0 && ++roots > 1) throw new Error('a second root')
      tags.push(tag)
      if (!start[3]) open.push(tag)
    } else throw new Error(`no tag: ${rest.slice(0, 60)}`)
    rest = rest.slice((close ?? start)![0].length)
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)!.name}> is not closed`)
  return tags
}

function decode(text: string): string {
  const names: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
  return text.replace(/&([^;\s]*;?)/g, (entity, name: string) => {
    const character = names[name.slice(0, -1)]
    if (!name.endsWith(';') || character === undefined) throw new Error(`no entity: ${entity}`)
    return character
  })
}
