// What a built library has for others and takes from others, as binutils reads it.
import { execFileSync } from 'node:child_process'

function readelf(file: string, ...options: string[]): string {
  return execFileSync('readelf', ['--wide', ...options, file], { encoding: 'utf8' })
}

/** Names of dynamic symbols: those that are here for others, and those that others have to have. */
export function dynamicSymbols(file: string): { exported: string[]; imported: string[] } {
  const exported: string[] = []
  const imported: string[] = []
  for (const line of readelf(file, '--dyn-syms').split('\n')) {
    // Num: Value Size Type Bind Vis Ndx Name
    const [, , , , bind, , section, name] = line.trim().split(/\s+/)
    if (name === undefined || (bind !== 'GLOBAL' && bind !== 'WEAK' && bind !== 'UNIQUE')) continue
    ;(section === 'UND' ? imported : exported).push(name)
  }
  return { exported: exported.sort(), imported: imported.sort() }
}

/** The libraries it needs, and its flags. */
export function dynamicSection(file: string): { needed: string[]; flags: string } {
  const text = readelf(file, '--dynamic')
  const needed = [...text.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name!)
  const flags = [...text.matchAll(/\((?:FLAGS|FLAGS_1)\)\s+(.*)/g)].map(([, words]) => words!)
  return { needed, flags: flags.join(' ') }
}

/**
 * It has variables of a thread at a place that is fixed when the process starts: musl's dlopen() refuses such a library
 * ("initial-exec TLS resolves to dynamic definition"), glibc's when the room that it has set aside is used up.
 */
export function hasStaticTls(file: string): boolean {
  const isFixed = /R_X86_64_TPOFF|R_AARCH64_TLS_TPREL/.test(readelf(file, '--relocs'))
  return isFixed || dynamicSection(file).flags.includes('STATIC_TLS')
}

export const programHeaders = (file: string): string => readelf(file, '--program-headers')

/** The newest version of glibc that it wants a symbol of: `[2, 17]`. */
export function newestGlibc(file: string): readonly [number, number] | undefined {
  const versions = [...readelf(file, '--version-info').matchAll(/GLIBC_(\d+)\.(\d+)/g)]
  return versions
    .map(([, major, minor]) => [Number(major), Number(minor)] as const)
    .sort((a, b) => b[0] - a[0] || b[1] - a[1])[0]
}
