// npm run bench: times the library beside ipvsadm, on a kernel that has IPVS.
import { fileURLToPath } from 'node:url'
import { runInLab } from '../lab/host.js'

const run = fileURLToPath(new URL('./run.js', import.meta.url))
process.stdout.write('Booting a kernel with IPVS; then about half a minute of measuring.\n')
try {
  process.exitCode = await runInLab([process.execPath, run], { timeout: 10 * 60_000 })
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
