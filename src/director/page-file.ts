// The page: one file with all that it needs. This module lies as deep in the package as the command's files (dist/bin), and finds it from both.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

export interface Page {
  readonly html: Buffer
  /** What the browser may do with it (Content-Security-Policy): run its own script and nothing else, ask its own server and nobody else. */
  readonly policy: string
}

/** @throws Error (rejects) it is not there: a bundle of somebody's own has left it behind */
export async function readPage(): Promise<Page> {
  const html = await readFile(new URL('../director/http/page.html', import.meta.url))
  const text = html.toString()
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(text, 'script')}`,
    `style-src ${hashOf(text, 'style')}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return { html, policy: policy.join('; ') }
}

function hashOf(html: string, element: string): string {
  const inside = html.slice(
    html.indexOf(`<${element}>`) + element.length + 2,
    html.indexOf(`</${element}>`),
  )
  return `'sha256-${createHash('sha256').update(inside).digest('base64')}'`
}
