// A worker thread that makes one change, by `apply` or `applySync`, in a namespace.
import { workerData } from 'node:worker_threads'
import { Ipvs } from '../../../dist/client.js'

const { netns, how, change } = workerData
const ipvs = await Ipvs.open({ netns, deadlineMs: 3_600_000 })
await ipvs[how]([change])
