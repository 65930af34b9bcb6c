// One iteration of a source, a list at a time.
import { onTestFinished } from 'vitest'
import type { PoolServer } from '../../../src/servers.js'
import type { ServerSource } from '../../../src/sources/source.js'

export function listsOf(source: ServerSource) {
  const lists = source[Symbol.asyncIterator]()
  onTestFinished(async () => {
    await lists.return!()
  })
  return {
    next: async (): Promise<PoolServer[]> => {
      const { done, value } = await lists.next()
      if (done) throw new Error('the iteration has ended')
      return value
    },
    /** The error that ends it. */
    error: (): Promise<Error & { code?: string }> =>
      lists.next().then(
        ({ value }) => {
          throw new Error(`no error, but ${JSON.stringify(value)}`)
        },
        (error: Error) => error,
      ),
    end: () => lists.return!(),
  }
}
