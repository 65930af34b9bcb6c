// What the table has to be, by what the file, the servers and people say.

export interface Word {
  readonly admin?: 'drain' | 'maintenance'
  readonly weight?: number
}

export interface FilePool {
  readonly name: string
  /** Address and port, and the protocols. */
  readonly front: string
  readonly protocols: readonly ('tcp' | 'udp')[]
  readonly scheduler: 'wrr' | 'wlc'
  /** Weights by address; all have the front's port. */
  readonly servers: ReadonlyMap<string, number>
}

/** Lines `tcp 192.0.2.53:53 wrr` and `tcp 192.0.2.53:53 127.0.1.1:53 3`, in order. */
export function wantedTable(
  pools: readonly FilePool[],
  answers: ReadonlySet<string>,
  words: ReadonlyMap<string, Word>,
): string[] {
  const lines = pools.flatMap(({ name, front, protocols, scheduler, servers }) => {
    const port = front.split(':')[1]!
    const held = [...servers].flatMap(([address, weight]) => {
      const server = `${address}:${port}`
      const word = words.get(`${name}/${server}`)
      if (word?.admin === 'maintenance' || !answers.has(server)) return []
      return [`${server} ${word?.admin === 'drain' ? 0 : (word?.weight ?? weight)}`]
    })
    return protocols.flatMap((protocol) => [
      `${protocol} ${front} ${scheduler}`,
      ...held.map((one) => `${protocol} ${front} ${one}`),
    ])
  })
  return lines.toSorted()
}

/** The file that says so. */
export function fileText(pools: readonly FilePool[], folder: string): string {
  const blocks = pools.map(({ name, front, protocols, scheduler, servers }) => {
    const fronts = protocols.length === 2 ? [front] : [`${protocols[0]}/${front}`]
    const list = [...servers].map(
      ([address, weight]) => `{ address: ${address}, weight: ${weight} }`,
    )
    return `  ${name}:
    fronts: [${fronts.map((one) => `'${one}'`).join(', ')}]
    scheduler: ${scheduler}
    servers: [${list.join(', ')}]
`
  })
  return `defaults: { forwarding: masquerade, check: quick, onePacket: false, reconcileInterval: 500ms }
checks:
  quick: { tcp: {}, interval: 300ms, timeout: 250ms, rise: 1, fall: 2, retryDelay: 50ms }
pools:
${blocks.join('')}state: ${folder}/state/director.json
control: ${folder}/director.sock
`
}
