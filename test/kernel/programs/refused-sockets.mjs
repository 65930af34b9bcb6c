// refused-sockets.mjs NETNS: what checks say that may not use what they are told to use.
import { checks } from '../../../dist/index.js'

const said = []
for (const connect of [{ mark: 7 }, { netns: process.argv[2] }, { device: 'lo' }]) {
  const { signal } = new AbortController()
  const member = { key: '127.0.0.1:9', address: '127.0.0.1', port: 9 }
  await checks
    .tcp({ connect })(member, { signal })
    .catch((error) => said.push(error.message))
}
console.log(JSON.stringify(said))
