// Where this package is: the command's files (dist/bin) lie as deep in it as this one (dist/command).
import { fileURLToPath } from 'node:url'

/** With a slash at its end. */
export const packageFolder = fileURLToPath(new URL('../../', import.meta.url))
