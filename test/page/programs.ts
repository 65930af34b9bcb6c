// The programs that scripts/steps/browser.mjs has fetched, or the machine has.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const checkout = fileURLToPath(new URL('../..', import.meta.url))
const root = path.join(checkout, '.cache/browser/root')

export function program(name: string): string {
  const found = ['/', root].map((at) => path.join(at, name)).find((file) => existsSync(file))
  if (found === undefined) throw new Error(`there is no ${name}: npm run page fetches it`)
  return found
}

const libraries = ['usr/lib', 'lib']
  .map((lib) =>
    path.join(root, lib, `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`),
  )
  .flatMap((folder) => [folder, path.join(folder, 'pulseaudio')])

export const environment = {
  ...process.env,
  LD_LIBRARY_PATH: libraries.join(':'),
  // A machine without fonts gets those that came with the browser.
  ...(existsSync('/etc/fonts/fonts.conf') ? {} : { FONTCONFIG_SYSROOT: root }),
}
