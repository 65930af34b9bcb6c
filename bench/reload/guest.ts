// guest.js PLAN: the same on the real kernel.
import { writeFileSync } from 'node:fs'
import { Ipvs } from 'ipvs'
import { measure } from './measure.js'

const { file } = JSON.parse(process.argv[2]!) as { readonly file: string }
const client = await Ipvs.open({ deadlineMs: 600_000 })
writeFileSync(file, JSON.stringify(await measure(client)))
await client.close()
