// refused-sockets.mjs NETNS: what checks say that may not use what they are told to use.
import { checks } from '../../../dist/index.js'

const said = []
const member = { key: '127.0.0.1:9', address: '127.0.0.1', port: 9 }
const { signal } = new AbortController()
for (const check of [
  checks.tcp({ connect: { mark: 7 } }),
  checks.tcp({ connect: { netns: process.argv[2] } }),
  checks.tcp({ connect: { device: 'lo' } }),
  checks.ping(),
])
  await check(member, { signal }).catch((error) => said.push(error.message))
console.log(JSON.stringify(said))
