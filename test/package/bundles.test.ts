// Programs that are made into one file: with the package outside, or in it and its binaries beside it (docs/packaging.md).
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import commonjs from '@rollup/plugin-commonjs'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { build as esbuild } from 'esbuild'
import { rollup } from 'rollup'
import { afterAll, describe, expect, inject, test } from 'vitest'
import webpack from 'webpack'
import { runFile } from './user.js'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const { user } = inject('packed')
const installed = path.join(user, 'node_modules/ipvs')
/** Nothing above it has the package. */
const elsewhere = mkdtempSync(path.join(tmpdir(), 'ipvs-bundles-'))
const entry = path.join(user, 'bundled.mjs')

// What this machine has is not the question: a kernel has answered, or refused, so the addon was there.
writeFileSync(
  entry,
  `import { Ipvs, serviceKey } from 'ipvs'
   Ipvs.probe().then(({ available, advice }) => {
     const loaded = available || !/native part/.test(advice.join())
     console.log(serviceKey({ fwmark: 7 }), loaded ? 'loaded' : advice.join())
   })`,
)

afterAll(() => {
  rmSync(elsewhere, { recursive: true })
  rmSync(entry)
})

/** Makes one file of the program, of modules or of CommonJS; all but the package, if that is to stay outside. */
type Bundler = (file: string, format: 'esm' | 'cjs', external: string[]) => Promise<void>

const bundlers: Readonly<Record<string, Bundler>> = {
  async esbuild(file, format, external) {
    // dns-packet is CommonJS, and calls require.
    const js = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`
    const { warnings } = await esbuild({
      entryPoints: [entry],
      outfile: file,
      bundle: true,
      platform: 'node',
      format,
      external,
      ...(format === 'esm' && { banner: { js } }),
      logLevel: 'silent',
    })
    expect(warnings).toEqual([])
  },

  async rollup(file, format, external) {
    const bundle = await rollup({
      input: entry,
      external,
      plugins: [
        nodeResolve({ preferBuiltins: true }), // Its types are those of CommonJS, it is not.
        (commonjs as unknown as typeof commonjs.default)(),
      ],
      onwarn: (warning) => expect.fail(warning.message),
    })
    await bundle.write({ file, format, inlineDynamicImports: true })
    await bundle.close()
  },

  async webpack(file, format, external) {
    const compiler = webpack({
      mode: 'production',
      target: 'node20',
      entry,
      ...(format === 'esm' && { experiments: { outputModule: true } }),
      // As it stands in the source, so that the bundle asks Node.js.
      externals: Object.fromEntries(external.map((name) => [name, `module ${name}`])),
      // Else webpack writes the folders of the machine that it runs on in their place.
      node: { __dirname: false },
      module: { parser: { javascript: { importMeta: format !== 'esm' } } },
      output: { path: path.dirname(file), filename: path.basename(file), module: format === 'esm' },
    })!
    const stats = await promisify(compiler.run.bind(compiler))()
    expect(stats!.toString({ all: false, errors: true, warnings: true })).toBe('')
    await promisify(compiler.close.bind(compiler))()
  },
}

describe.each(Object.keys(bundlers))('%s', (name) => {
  const bundle = bundlers[name]!

  test.each(['esm', 'cjs'] as const)(
    '%s, the package in it and prebuilds/ beside it',
    async (format) => {
      const folder = path.join(elsewhere, `${name}-${format}`)
      const file = path.join(folder, format === 'esm' ? 'main.mjs' : 'main.cjs')
      await bundle(file, format, [])
      const alone = runFile(file)
      expect(alone.out, alone.err).toMatch(/^fwmark 7 ipv4 ipvs has no native part/)
      expect(alone.out).toContain(
        `${folder}/prebuilds/linux-${process.arch}/ipvs.glibc.node (not there)`,
      )
      cpSync(path.join(installed, 'prebuilds'), path.join(folder, 'prebuilds'), { recursive: true })
      const { out, err } = runFile(file)
      expect(out, err).toBe('fwmark 7 ipv4 loaded')
    },
  )

  test('the package outside', async () => {
    const file = path.join(user, `${name}.mjs`)
    await bundle(file, 'esm', ['ipvs'])
    const { out, err } = runFile(file)
    expect(out, err).toBe('fwmark 7 ipv4 loaded')
  })
})

test('a single executable, with prebuilds/ beside it', async () => {
  const folder = path.join(elsewhere, 'single')
  mkdirSync(folder)
  await bundlers.esbuild!(path.join(folder, 'main.cjs'), 'cjs', [])
  const config = path.join(folder, 'sea.json')
  writeFileSync(
    config,
    JSON.stringify({ main: 'main.cjs', output: 'sea.blob', disableExperimentalSEAWarning: true }),
  )
  execFileSync(process.execPath, ['--experimental-sea-config', config], {
    cwd: folder,
    stdio: 'pipe',
  })
  const program = path.join(folder, 'program')
  copyFileSync(process.execPath, program)
  const fuse = ['--sentinel-fuse', 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2']
  const postject = path.join(checkout, 'node_modules/postject/dist/cli.js')
  const blob = ['NODE_SEA_BLOB', path.join(folder, 'sea.blob')]
  execFileSync(process.execPath, [postject, program, ...blob, ...fuse], { stdio: 'pipe' })
  cpSync(path.join(installed, 'prebuilds'), path.join(folder, 'prebuilds'), { recursive: true })
  const out = execFileSync(program, { encoding: 'utf8', env: {}, cwd: '/' })
  expect(out.trim()).toBe('fwmark 7 ipv4 loaded')
})
