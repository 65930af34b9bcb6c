// npm run demo: starts the play (play.ts) on a kernel that has IPVS, as root.
import { availableParallelism, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runInLab } from '../lab/guest/host.js'

const usage = `A director with IPVS, three DNS servers that fail and recover, and clients that must not notice.

    npm run demo [-- --json] [--sabotage] [--seconds N]

    --json       the last line of stdout is the result as one JSON object; the rest goes to stderr
    --sabotage   the UDP half of every flip is dropped: has to be noticed, and to fail
    --seconds N  how long each phase goes on after its flip (3)

Exit status 0: all held. 1: something did not, and the last lines say what.
It runs on the lab's kernel; IPVS_KERNEL=host (as root) takes this machine's own. See docs/lab.md.
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      sabotage: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '3' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  if (!/^[1-9]\d{0,2}$/.test(values.seconds)) {
    throw new Error(`--seconds ${values.seconds} is not a whole number from 1 to 999.`)
  }
  const people = values.json ? process.stderr : process.stdout
  if ((process.env.IPVS_KERNEL ?? '') !== 'host') {
    people.write('Booting a Linux kernel with IPVS as an ordinary process: takes some seconds.\n')
  }
  const play = fileURLToPath(new URL('./play.js', import.meta.url))
  const flags = [...(values.json ? ['--json'] : []), ...(values.sabotage ? ['--sabotage'] : [])]
  const status = await runInLab([process.execPath, play, ...flags, '--seconds', values.seconds], {
    env: {
      ...process.env,
      DEMO_STARTED: String(Date.now()),
      DEMO_COLOR: wantsColor(people) ? '1' : '',
    },
    // Six phases, each with up to 8 s for a flip that does not come; and half a minute around them.
    timeout: 6 * (Number(values.seconds) + 8) * 1000 + 30_000,
    // ^C is to end the guest, not to be typed into it.
    terminal: false,
  })
  const [load] = loadavg()
  if (status === 1 && !values.sabotage && load! > availableParallelism()) {
    process.stderr.write(
      `demo: this machine is busy (load ${load!.toFixed(1)} on ${availableParallelism()} CPUs). ` +
        'Health checks and queries time out when the guest gets no CPU: try again when it is idle.\n',
    )
  }
  return status
}

/** Inside the guest, output is a pipe: whether it ends in a terminal is known here only. */
function wantsColor(stream: NodeJS.WriteStream): boolean {
  const forced = process.env.FORCE_COLOR
  if (forced !== undefined) return forced !== '0' && forced !== 'false'
  return stream.isTTY === true && !process.env.NO_COLOR
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}
