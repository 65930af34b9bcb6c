// One reconcile at a time per client: the later one must see what the earlier one has made, or its own would not stand.
import { IpvsError } from '../errors.js'

const last = new WeakMap<object, Promise<void>>()

/**
 * Runs `work` after all that was given before it for the same `owner`, and with what is made ready meanwhile.
 *
 * @throws what makes it ready
 * @throws IpvsError `ERR_IPVS_TIMEOUT` if its turn does not come in `deadlineMs`
 */
export async function inTurn<R, T>(
  owner: object,
  deadlineMs: number,
  ready: Promise<R>,
  work: (given: R) => Promise<T>,
): Promise<T> {
  const before = last.get(owner)
  let end = (): void => {}
  const own = new Promise<void>((resolve) => {
    end = resolve
  })
  last.set(owner, before === undefined ? own : before.then(() => own))
  try {
    const [given] = await Promise.all([ready, before && within(before, deadlineMs)])
    return await work(given)
  } finally {
    end()
  }
}

function within(before: Promise<void>, deadlineMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const text = `reconcile: an earlier reconcile of this client did not end within ${deadlineMs} ms; nothing was sent`
      reject(new IpvsError('ERR_IPVS_TIMEOUT', text))
    }, deadlineMs)
    before.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
