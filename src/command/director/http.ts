// What `ipvs run` answers over HTTP, with its figures; as the file says, also after a reload.
import type { Director, HttpConfig, HttpServer } from '../../director/index.js'

type Serve = typeof import('../../director/index.js').serveHttp

export class Http {
  readonly #serve: Serve
  readonly #director: Director
  readonly #tell: (text: string) => void
  #config: HttpConfig | undefined
  #server: HttpServer | undefined
  #unregister = () => {}

  /** @param tell for a person: where it listens, and who can reach it */
  constructor(serve: Serve, director: Director, tell: (text: string) => void) {
    this.#serve = serve
    this.#director = director
    this.#tell = tell
  }

  /** @throws Error (rejects) it cannot listen there; it goes on as before */
  async use(config: HttpConfig | undefined): Promise<void> {
    const before = this.#config
    if (JSON.stringify(config) === JSON.stringify(before)) return
    // It may be the same port.
    await this.close()
    try {
      await this.#open(config)
    } catch (error) {
      await this.#open(before).catch(() => {})
      throw error
    }
  }

  async close(): Promise<void> {
    this.#unregister()
    this.#unregister = () => {}
    this.#config = undefined
    await this.#server?.close()
    this.#server = undefined
  }

  async #open(config: HttpConfig | undefined): Promise<void> {
    if (config === undefined) return
    const { metricsRegistry } = await import('../metrics-registry.js')
    const { registerMetrics } = await import('../../metrics/index.js')
    const director = this.#director
    const registry = metricsRegistry()
    const server = await this.#serve(director, config, { registry })
    this.#server = server
    this.#config = config
    this.#unregister = registerMetrics(registry, {
      ipvs: director.client,
      pools: () => director.pools(),
      checkers: () => director.checkers(),
    })
    this.#tell(server.url)
    if (server.warning !== undefined) this.#tell(server.warning)
  }
}
