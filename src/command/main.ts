#!/usr/bin/env node
// The command `ipvs`. The library knows nothing of it.
import { run } from './run.js'

run(process.argv.slice(2)).then((status) => {
  process.exitCode = status
})
