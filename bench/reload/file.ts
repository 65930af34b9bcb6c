// A director's file of the size that a user of keepalived has told of: 2,277 virtual servers with 37,205 real ones.

export const POOLS = 2277
export const SERVERS = 37_205

/** @param weight of the very first server */
export function fileText(form: 'json' | 'yaml', weight = 1): string {
  const pools = Array.from({ length: POOLS }, (_, index) => {
    const name = `pool${index}`
    const from = Math.floor((index * SERVERS) / POOLS)
    const to = Math.floor(((index + 1) * SERVERS) / POOLS)
    const servers = Array.from({ length: to - from }, (_, at) => {
      const address = `172.16.${at >> 8}.${(at & 255) + 1}`
      return { address, weight: index === 0 && at === 0 ? weight : 1 }
    })
    return { name, front: `tcp/10.${index >> 8}.${index & 255}.1:80`, servers }
  })
  const defaults = { scheduler: 'wrr', forwarding: 'masquerade', reconcileInterval: '0s' }
  if (form === 'json') {
    const all = pools.map(({ name, front, servers }) => [name, { fronts: [front], servers }])
    return JSON.stringify({ defaults, pools: Object.fromEntries(all) })
  }
  const blocks = pools.map(
    ({ name, front, servers }) => `  ${name}:
    fronts: ['${front}']
    servers:
${servers.map((one) => `      - { address: ${one.address}, weight: ${one.weight} }\n`).join('')}`,
  )
  return `defaults: { scheduler: wrr, forwarding: masquerade, reconcileInterval: 0s }\npools:\n${blocks.join('')}`
}
