// Where this package is: the command's one file (dist/bin) lies as deep in it as this one (dist/command).
import { fileURLToPath } from 'node:url'

/** With a slash at its end. */
export const packageFolder = fileURLToPath(new URL('../../', import.meta.url))
