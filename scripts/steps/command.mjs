// The command as it ships, in dist/bin: files of which a call loads the few that it needs, because a command starts anew each time; its man page, the director's page, and what `ipvs lab` boots with.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkout, step } from './step.mjs'

const bin = path.join(checkout, 'dist/bin')
const self = path.join(checkout, 'scripts/steps/command.mjs')
const init = path.join(checkout, 'src/command/lab/init.sh')
/** What a director shows over HTTP: as it is, beside what serves it. */
const page = path.join(checkout, 'src/director/http/page.html')
const shippedPage = path.join(checkout, 'dist/director/http/page.html')

/** The director runs for months, and is as big as all the rest: it, its figures and the import are loaded from the package as they are. */
const besideIt = {
  name: 'director',
  resolveId(name) {
    const [, part] = /\/((?:director|import|metrics)\/index\.js)$/.exec(name) ?? []
    return part && { id: `../${part}`, external: true }
  },
}

/** After the TypeScript was compiled, if that has changed anything. */
export async function makeCommand() {
  const made = path.join(bin, 'ipvs.1')
  const compiled = path.join(checkout, 'build/src.tsbuildinfo')
  const newest = Math.max(...[compiled, page, init, self].map((file) => statSync(file).mtimeMs))
  if (existsSync(made) && existsSync(shippedPage) && statSync(made).mtimeMs >= newest) return
  await step('Making the command', async () => {
    const { build } = await import('rolldown')
    const manifest = readFileSync(path.join(checkout, 'package.json'), 'utf8')
    const { version, dependencies } = JSON.parse(manifest)
    rmSync(bin, { recursive: true, force: true })
    await build({
      input: { ipvs: path.join(checkout, 'dist/command/main.js') },
      // What is installed with the package stays there; what only the workshop has, and the command needs, becomes part of it.
      external: Object.keys(dependencies),
      plugins: [besideIt],
      platform: 'node',
      logLevel: 'warn',
      output: {
        dir: bin,
        // Each part and each module of Node.js is run when it is asked for: of ES modules all would be loaded first.
        format: 'cjs',
        entryFileNames: '[name].cjs',
        chunkFileNames: '[name].cjs',
        minify: true,
      },
    })
    chmodSync(path.join(bin, 'ipvs.cjs'), 0o755)
    const { manPage } = await import(pathToFileURL(path.join(checkout, 'dist/command/man.js')))
    copyFileSync(page, shippedPage)
    copyFileSync(init, path.join(bin, 'init.sh'))
    writeFileSync(made, manPage(version))
  })
}

if (process.argv[1] === self) await makeCommand()
