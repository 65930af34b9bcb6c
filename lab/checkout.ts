import path from 'node:path'
import { fileURLToPath } from 'node:url'

// Compiled, this file is build/tools/lab/checkout.js; tests run it as it is.
const up = import.meta.url.includes('/build/tools/') ? '../../../' : '../'

export const checkout = fileURLToPath(new URL(up, import.meta.url)).replace(/\/$/, '')

/** What is made in a run: `build/` is in no commit. */
export const built = (...names: string[]) => path.join(checkout, 'build', ...names)

/** A program in C that the setup has built (scripts/steps/programs.mjs). */
export const compiled = (name: string) => built('programs', name)
