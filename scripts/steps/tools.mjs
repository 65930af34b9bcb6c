// Programs that must be there, installed from Debian where we may.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { logged, programFolders, SetupError, step } from './step.mjs'

/**
 * @param {string} trouble what cannot be done without them, for the message
 * @param {{ program: string, debian: string }[]} tools
 * @param {boolean} install whether apt may be used
 */
export async function needTools(trouble, tools, install) {
  const missing = tools.filter(
    ({ program }) => !programFolders().some((folder) => existsSync(path.join(folder, program))),
  )
  if (missing.length === 0) return
  const names = missing.map(({ program }) => program).join(', ')
  const packages = missing.map(({ debian }) => debian)
  const hand = `apt-get install -y ${packages.join(' ')}`
  if (!install || process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) {
    const them = missing.length > 1 ? 'them' : 'it'
    throw new SetupError(
      `${trouble}: ${names} not found. Install ${them}, on Debian or Ubuntu as root: ${hand}`,
    )
  }
  process.stderr.write(`${names} not found; installing with: ${hand}\n`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await step(`Installing ${packages.join(', ')}`, async () => {
    await logged('apt-tools', 'apt-get', ['update'], { env })
    await logged('apt-tools', 'apt-get', ['install', '-y', ...packages], { env, append: true })
  })
}
