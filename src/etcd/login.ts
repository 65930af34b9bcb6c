// Who we are: a token for user and password, shared by all calls, and another one when etcd does not take it any more.
import { textOf } from '../http/text.js'
import { EndpointError, EtcdError, isAboutToken } from './errors.js'
import type { EtcdSettings } from './options.js'
import type { Requests } from './requests.js'

export class Login {
  readonly #login: EtcdSettings['login']
  readonly #requests: Requests
  /** The present token; '' where etcd does not ask who we are. */
  #token: Promise<string> | undefined

  constructor(login: EtcdSettings['login'], requests: Requests) {
    this.#login = login
    this.#requests = requests
  }

  /** Calls `ask` with a token, and once more with a new one if it was the token's fault. */
  async with<T>(endpoint: URL, ask: (token: string) => Promise<T>): Promise<T> {
    if (this.#login === undefined) return ask('')
    const token = await this.#present(endpoint)
    try {
      return await ask(token)
    } catch (error) {
      if (!(error instanceof EtcdError) || !isAboutToken(error)) throw error
      // Another call may have noticed before.
      if ((await this.#token?.catch(() => token)) === token) this.#token = undefined
      return ask(await this.#present(endpoint))
    }
  }

  #present(endpoint: URL): Promise<string> {
    const token = this.#token ?? this.#authenticate(endpoint)
    this.#token = token
    token.catch(() => {
      if (this.#token === token) this.#token = undefined
    })
    return token
  }

  /** Not ended by anybody's signal: others wait for it too. */
  async #authenticate(endpoint: URL): Promise<string> {
    const { user, password } = this.#login!
    const secret = await textOf(password).catch((error: Error) => {
      throw new EtcdError('ERR_ETCD_PERMISSION', `password: ${error.message}`, { cause: error })
    })
    try {
      const body = { name: user, password: secret }
      const { token } = await this.#requests.post(endpoint, '/v3/auth/authenticate', body, {
        token: '',
      })
      if (typeof token === 'string' && token !== '') return token
    } catch (error) {
      // Before somebody turns authentication on, and after it was turned off.
      if (/authentication is not enabled/.test((error as Error).message)) return ''
      throw error
    }
    throw new EndpointError(`${endpoint.origin}: it has given no token`)
  }
}
