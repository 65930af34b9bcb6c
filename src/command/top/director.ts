// What a director says of the destinations that are shown, where one runs, and what is said to it by a key.
import { existsSync } from 'node:fs'
import type { DirectorState, RoleState, ServerState } from '../../director/index.js'
import { endpoint } from '../table/seen.js'
import type { Source } from './looks.js'
import type { Managed } from './model.js'

export interface Director {
  /** Of one service, by the names of its destinations. Empty, if none answers or the service is not its own. */
  look(service: string): Promise<ReadonlyMap<string, Managed>>
  /** Nothing, if none answers, or it is not one of several. */
  role(): Promise<RoleState['role'] | undefined>
  /** @throws ControlError */
  say(target: string, admin: 'drain' | 'ready'): Promise<void>
}

/** A director that hangs keeps nobody from seeing the kernel. */
const PATIENCE_MS = 1000

/** @param path of its socket */
export function directorAt(path: string): Director {
  const api = () => import('../../director/index.js')
  const ask = async (request: { do: 'state'; service: string } | { do: 'role' }) => {
    // What speaks to it is large, and loaded where there is somebody only.
    if (!existsSync(path)) return undefined
    try {
      const { askDirector } = await api()
      return await askDirector(path, request, AbortSignal.timeout(PATIENCE_MS))
    } catch {
      // Without it there is the kernel.
      return undefined
    }
  }
  return {
    async look(service) {
      const state = (await ask({ do: 'state', service })) as DirectorState | undefined
      return state === undefined ? new Map() : managedIn(state, service)
    },
    async role() {
      const state = (await ask({ do: 'role' })) as Partial<RoleState> | undefined
      return state?.role
    },
    async say(target, admin) {
      const { askDirector } = await api()
      await askDirector(path, { do: 'set', target, admin })
    },
  }
}

/** The same source, with what the director says of itself, and of the destinations that are looked at. */
export function withDirector(source: Source, director: Director): Source {
  return {
    ...source,
    async look(wanted) {
      const look = await source.look(wanted)
      const names = [...look.destinations.keys()]
      const [role, ...managed] = await Promise.all([
        director.role(),
        ...names.map(async (name) => [name, await director.look(name)] as const),
      ])
      return { ...look, managed: new Map(managed), ...(role && { role }) }
    },
  }
}

function managedIn({ pools }: DirectorState, service: string): ReadonlyMap<string, Managed> {
  const [pool] = pools
  const port = Number(/:(\d+)$/.exec(service)?.[1] ?? 0)
  const rows = (pool?.servers ?? []).map((server) => {
    const target = `${pool!.pool}/${server.server}`
    return [
      destinationOf(server, pool!.services[0]!, port),
      { target, word: wordOf(server) },
    ] as const
  })
  return new Map(rows)
}

/** A server without a port of its own has that of each service; its key has that of the first. */
function destinationOf({ server }: ServerState, first: string, port: number): string {
  const [, address, own] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(server)!
  const isOwn = !first.endsWith(`:${own}`)
  return endpoint({ address: address!, port: isOwn ? Number(own) : port })
}

function wordOf({ health, admin, error }: ServerState): string {
  if (error !== undefined) return 'refused'
  return admin === 'ready' ? health : admin
}
