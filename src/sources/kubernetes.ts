// Servers from Kubernetes: the endpoints of a service, listed once and then watched.
import { pause } from '../abort.js'
import { rangeError, typeError } from '../errors.js'
import { HttpClient } from '../http/client.js'
import { readHttpUrl } from '../http/questions.js'
import { readTextOrFile, type TextOrFile } from '../http/text.js'
import { type HttpTlsOptions, readHttpTls } from '../http/tls.js'
import type { PoolServer } from '../servers.js'
import type { Family } from '../types.js'
import { checkInteger, checkOptions, checkSignal } from '../validate.js'
import { type SliceRules, serversOfSlices } from './endpoint-slices.js'
import { readFamilies } from './families.js'
import { Broken, Gone, listSlices, type SlicesAt, watchSlices } from './kubernetes-api.js'
import { type ServerSource, serverSource } from './source.js'

/** Options of {@link kubernetesServers}. */
export interface KubernetesServersOptions extends HttpTlsOptions {
  /** Of the API server. Default: that of the cluster we are in, with its authority and our service account's token. */
  readonly url?: string | undefined
  /** Default: the service account's without `url`, else none. */
  readonly token?: TextOrFile | undefined
  /** The name of a port of the service's, or a number, 1 to 65535. Default: each front's own. */
  readonly port?: string | number | undefined
  /** Which of the endpoints' addresses. Default `['ipv4']`. */
  readonly families?: readonly Family[] | undefined
  /** Ends the iterations. Default: none. */
  readonly signal?: AbortSignal | undefined
}

interface Settings extends SlicesAt {
  readonly tls: HttpTlsOptions
  readonly rules: SliceRules
}

/** Where a pod finds what it needs to talk to its cluster. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
/** What breaks sooner after it has begun is trouble to be told of; what has lived longer is taken up again. */
const BRIEF_MS = 1000

/**
 * The endpoints of a service in Kubernetes, from its EndpointSlices: at once, and again after each change. Endpoints that are
 * ready are servers; one that is terminating but still serves has weight 0, which keeps its connections; others are none.
 *
 * A watch that ends is taken up where it was. What there is is listed anew where changes are not known any more (410); until
 * that is there nothing is yielded. Token and certificates in files are read for each request: rotating them is enough.
 *
 * Each iteration starts afresh. Waiting for a change does not keep the process alive, a look does.
 *
 * @param service `NAMESPACE/NAME`
 * @throws TypeError, RangeError for a bad argument, or without `url` outside of a cluster
 * @throws Error, while iterating, with `code`: that of Node.js if there is no answer, `ERR_HTTP_STATUS`,
 *   `ERR_HTTP_ANSWER`, or `ERR_IPVS_ARGUMENT` if it is about one endpoint
 */
export function kubernetesServers(
  service: string,
  options?: KubernetesServersOptions,
): ServerSource {
  const fields = checkOptions(options, 'options', [
    'url',
    'token',
    'port',
    'families',
    'ca',
    'cert',
    'key',
    'serverName',
    'signal',
  ])
  const { url, port, families, signal, cert, key, serverName } = fields
  const account = url === undefined
  const { token = account ? { file: `${ACCOUNT}/token` } : undefined } = fields
  const { ca = account ? { file: `${ACCOUNT}/ca.crt` } : undefined } = fields
  const settings: Settings = {
    url: slicesOf(service, account ? ownCluster() : url),
    tls: readHttpTls({ ca, cert, key, serverName }, 'options'),
    token: token === undefined ? token : readTextOrFile(token, 'options.token', 'a token'),
    rules: { port: readPort(port), families: readFamilies(families) },
  }
  return serverSource((end) => lists(settings, end), checkSignal(signal, 'options.signal'))
}

async function* lists(
  settings: Settings,
  signal: AbortSignal,
): AsyncGenerator<PoolServer[], void, void> {
  const http = new HttpClient(settings.tls)
  try {
    while (!signal.aborted) {
      const began = performance.now()
      try {
        yield* changes(http, settings, signal)
      } catch (error) {
        if (!(error instanceof Gone)) throw error
      }
      await pause(began + BRIEF_MS - performance.now(), signal)
    }
  } finally {
    http.close()
  }
}

async function* changes(
  http: HttpClient,
  settings: Settings,
  signal: AbortSignal,
): AsyncGenerator<PoolServer[], void, void> {
  const { all, version: listed } = await listSlices(http, settings, signal)
  let version = listed
  yield serversOfSlices([...all.values()], settings.rules)
  while (!signal.aborted) {
    const began = performance.now()
    try {
      for await (const { type, slice, resourceVersion } of watchSlices(
        http,
        settings,
        version,
        signal,
      )) {
        version = resourceVersion
        if (slice === undefined) continue
        if (type === 'DELETED') all.delete(slice.name)
        else all.set(slice.name, slice)
        yield serversOfSlices([...all.values()], settings.rules)
      }
    } catch (error) {
      const isBrief = performance.now() - began < BRIEF_MS
      if (isBrief || !(error instanceof Broken)) throw error
    }
    await pause(began + BRIEF_MS - performance.now(), signal)
  }
}

// --- options

function slicesOf(service: unknown, url: unknown): URL {
  const rule = 'a namespace and a service, such as "default/dns"'
  if (typeof service !== 'string') throw typeError('service', rule, service)
  const [, namespace, name] = /^([a-z0-9-]{1,63})\/([a-z0-9-]{1,63})$/.exec(service) ?? []
  if (name === undefined) throw rangeError('service', rule, service)
  const base = readHttpUrl(url, 'options.url', 'https://10.0.0.5:6443')
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`
  const at = new URL(base.pathname.replace(/\/$/, '') + path, base)
  at.searchParams.set('labelSelector', `kubernetes.io/service-name=${name}`)
  return at
}

function ownCluster(): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = process.env
  if (host === undefined || host === '') {
    const rule = 'given outside of a cluster, where KUBERNETES_SERVICE_HOST is not set'
    throw rangeError('options.url', rule, undefined)
  }
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function readPort(port: unknown): string | number | undefined {
  if (port === undefined) return undefined
  if (typeof port === 'number') return checkInteger(port, 'options.port', 1, 65_535)
  if (typeof port === 'string' && /^[a-z0-9-]{1,63}$/.test(port)) return port
  const rule = 'the name of a port, or a number'
  throw typeof port === 'string'
    ? rangeError('options.port', rule, port)
    : typeError('options.port', rule, port)
}
