import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout: this file runs as build/tools/lab/checkout.js. */
export const checkout = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '')

/** What is made in a run: `build/` is in no commit. */
export const built = (...names: string[]) => path.join(checkout, 'build', ...names)

/** A program in C that the setup has built (scripts/steps/programs.mjs). */
export const compiled = (name: string) => built('programs', name)
