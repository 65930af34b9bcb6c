// Servers from any web server: a JSON array, asked for again and again, sent only when it has changed.
import { pause } from '../abort.js'
import { HttpClient } from '../http/client.js'
import { bearer, readHttpUrl, statusError } from '../http/questions.js'
import { readTextOrFile, type TextOrFile } from '../http/text.js'
import { type HttpTlsOptions, readHttpTls } from '../http/tls.js'
import type { PoolServer } from '../servers.js'
import { checkInteger, checkOptions, checkSignal, DAY_MS } from '../validate.js'
import { parseJsonServers } from './server-list.js'
import { type ServerSource, serverSource } from './source.js'

/** Options of {@link httpServers}. */
export interface HttpServersOptions extends HttpTlsOptions {
  /** Pause between two looks, in milliseconds, 100 to 86400000. Default 10000. */
  readonly intervalMs?: number | undefined
  /** An answer that is not there by then counts as none, in milliseconds, 100 to 60000. Default 5000. */
  readonly timeoutMs?: number | undefined
  /** Sent as `Authorization: Bearer`. Default: none. */
  readonly token?: TextOrFile | undefined
  /** Ends the iterations. Default: none. */
  readonly signal?: AbortSignal | undefined
}

interface Settings {
  readonly url: URL
  readonly tls: HttpTlsOptions
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly token: TextOrFile | undefined
}

/**
 * The servers that a web server has at an address: at once, and again after each change of them. The answer has status 200 and
 * is a JSON array of what a pool's `servers` takes; lines of text, which a file may have, could have broken off
 * unnoticed. Where it has an `ETag`, it is asked for only if it has changed. Redirects are not followed, and more than 32 MiB not read.
 *
 * Each iteration starts afresh. Waiting for a change does not keep the process alive, a look does.
 *
 * @throws TypeError, RangeError for a bad argument
 * @throws Error, while iterating, with `code`: that of Node.js if there is no answer, `ERR_HTTP_STATUS`, or
 *   `ERR_IPVS_ARGUMENT` if it is about one server; without one if the answer is no such list
 */
export function httpServers(url: string, options?: HttpServersOptions): ServerSource {
  const fields = checkOptions(options, 'options', [
    'intervalMs',
    'timeoutMs',
    'token',
    'ca',
    'cert',
    'key',
    'serverName',
    'signal',
  ])
  const { intervalMs = 10_000, timeoutMs = 5000, token, signal, ...tls } = fields
  const settings: Settings = {
    url: readHttpUrl(url, 'url', 'https://example.org/servers'),
    tls: readHttpTls(tls, 'options'),
    intervalMs: checkInteger(intervalMs, 'options.intervalMs', 100, DAY_MS),
    timeoutMs: checkInteger(timeoutMs, 'options.timeoutMs', 100, 60_000),
    token: token === undefined ? token : readTextOrFile(token, 'options.token', 'a token'),
  }
  return serverSource((end) => lookAgain(settings, end), checkSignal(signal, 'options.signal'))
}

async function* lookAgain(
  { url, tls, intervalMs, timeoutMs, token }: Settings,
  signal: AbortSignal,
): AsyncGenerator<PoolServer[], void, void> {
  const http = new HttpClient(tls)
  let etag: string | undefined
  try {
    while (!signal.aborted) {
      const known = etag === undefined ? {} : { 'if-none-match': etag }
      const headers = { accept: 'application/json', ...known, ...(await bearer(token)) }
      const answer = await http.ask(url, { headers, timeoutMs, signal })
      if (answer.status === 200) {
        yield parseJsonServers(answer.text, url.href)
        etag = answer.headers.etag
      } else if (answer.status !== 304 || etag === undefined) throw statusError(url, answer)
      await pause(intervalMs, signal)
    }
  } finally {
    http.close()
  }
}
