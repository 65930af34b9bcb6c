import { existsSync, lstatSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'

/** Links such as /sbin/modprobe -> /bin/kmod mean the packages' own root, not the machine's. */
export function relink(root: string): void {
  for (const name of readdirSync(root, { recursive: true }) as string[]) {
    const file = path.join(root, name)
    if (!lstatSync(file).isSymbolicLink()) continue
    const target = readlinkSync(file)
    if (!target.startsWith('/') || !existsSync(path.join(root, target))) continue
    rmSync(file)
    symlinkSync(path.relative(path.dirname(file), path.join(root, target)), file)
  }
}
