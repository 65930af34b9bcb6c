// probe.mjs OPTIONS: prints what probe() finds with these options (JSON).
import { Ipvs } from '../../../dist/client.js'

console.log(JSON.stringify(await Ipvs.probe(JSON.parse(process.argv[2]))))
