import { anything, duration } from './checks'
import { signal } from './exec'
import { type Check, shape } from './schema'

const fields = shape({
  query: anything as Check<Record<string, unknown>>, headers: anything as Check<Record<string, string>>, body: anything,
  timeout: duration, signal,
})

/** A request of the caller's own to a daemon or an API server. */
export function checkApiRequest(value: unknown): ReturnType<typeof fields> {
  return value === undefined ? {} : fields(value, '')
}
