// Where etcd is, and who we are.
import { rangeError, typeError } from '../errors.js'
import { readTextOrFile, type TextOrFile } from '../http/text.js'
import { type HttpTlsOptions, readHttpTls } from '../http/tls.js'
import { checkInteger, checkOptions } from '../validate.js'

/** Options of {@link EtcdClient}. */
export interface EtcdOptions extends HttpTlsOptions {
  /** Addresses such as `https://10.0.0.5:2379`: the first is used for as long as it answers, then the next. */
  readonly endpoints: readonly string[]
  /** Together with `password`, where etcd asks for them. Default: none. */
  readonly user?: string | undefined
  /** Default: none, as of `user`. */
  readonly password?: TextOrFile | undefined
  /** An endpoint that has not answered by then does not count, in milliseconds, 100 to 60000. Default 5000. */
  readonly timeoutMs?: number | undefined
}

export interface EtcdSettings {
  readonly endpoints: readonly URL[]
  readonly tls: HttpTlsOptions
  readonly login: { readonly user: string; readonly password: TextOrFile } | undefined
  readonly timeoutMs: number
}

/** @throws TypeError, RangeError */
export function readEtcdOptions(value: unknown, option = 'options'): EtcdSettings {
  const fields = checkOptions(value ?? null, option, [
    'endpoints',
    'ca',
    'cert',
    'key',
    'serverName',
    'user',
    'password',
    'timeoutMs',
  ])
  const { endpoints, user, password, timeoutMs = 5000, ...tls } = fields
  return {
    endpoints: readEndpoints(endpoints, `${option}.endpoints`),
    tls: readHttpTls(tls, option),
    login: readLogin(user, password, option),
    timeoutMs: checkInteger(timeoutMs, `${option}.timeoutMs`, 100, 60_000),
  }
}

function readEndpoints(value: unknown, option: string): URL[] {
  const example = "['https://10.0.0.5:2379']"
  if (!Array.isArray(value)) throw typeError(option, `a list such as ${example}`, value)
  if (value.length === 0) throw rangeError(option, `a list such as ${example}, not empty`, value)
  return value.map((one: unknown, index) => readOrigin(one, `${option}[${index}]`))
}

function readOrigin(value: unknown, option: string): URL {
  const rule = 'an address without a path, such as https://10.0.0.5:2379'
  if (typeof value !== 'string') throw typeError(option, rule, value)
  const url = URL.canParse(value) ? new URL(value) : undefined
  const isPlain = url?.username === '' && url.pathname === '/' && url.search + url.hash === ''
  if (!isPlain || !/^https?:$/.test(url.protocol)) throw rangeError(option, rule, value)
  return url
}

function readLogin(user: unknown, password: unknown, option: string): EtcdSettings['login'] {
  if (user === undefined && password === undefined) return undefined
  if (typeof user !== 'string' || user === '') {
    throw typeError(`${option}.user`, 'the name of a user, as "password" is there', user)
  }
  if (password === undefined) {
    throw typeError(`${option}.password`, 'given together with "user"', password)
  }
  return { user, password: readTextOrFile(password, `${option}.password`, 'a password') }
}
