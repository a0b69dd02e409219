import { InvalidUsageError, XecNativeError } from '../../errors'
import { duration } from '../../options/checks'
import { inspectContainer } from './containers'
import { filters } from './api'
import { Cut } from './deadline'
import type { Room } from './room'
import { fields } from './shape-of'

/** Between two looks, for what gives no event: podman's checks and a stream of events that broke. */
const LOOK_AGAIN = 1_000

/** Waits until a container is healthy. Unhealthy, ended or without a check at all it never will be: that fails at once. */
export async function waitForHealthy(room: Room, container: string, timeout: number): Promise<void> {
  const limit = duration(timeout, 'timeout')
  const host = room.client.host
  const deadline = performance.now() + limit
  const cut = new Cut({ what: `Waiting for ${container} to be healthy`, host, timeout: limit })
  const news = new News()
  // Before the first look, or a change in between would be missed.
  await watch(room, container, cut, news)
  try {
    while (!await isHealthy(room, container)) {
      cut.check()
      await news.next(Math.min(LOOK_AGAIN, Math.max(1, deadline - performance.now())))
    }
  } finally {
    cut.now(new Error('It is known'))
    cut.end()
  }
}

async function isHealthy(room: Room, container: string): Promise<boolean> {
  const state = fields(await inspectContainer(room, container)).object('State')
  const health = state.object('Health').text('Status')
  if (health === 'healthy') return true
  const host = room.client.host
  if (health === 'unhealthy') throw unhealthy(container, host, 'Container is unhealthy')
  if (health === undefined || health === '' || health === 'none') {
    throw new InvalidUsageError({ code: 'EINVAL', kind: 'invalid-usage', phase: 'run', host, message: `Container '${container}' has no health check` })
  }
  if (state.boolean('Running') === false && state.text('Status') !== 'created') throw unhealthy(container, host, 'Container has ended')
  return false
}

const unhealthy = (container: string, host: string, what: string): XecNativeError =>
  new XecNativeError({ code: 'EUNHEALTHY', kind: 'unknown', phase: 'run', host, reached: true, message: `${what}: ${container}` })

/** Wakes who waits when something has happened. */
class News {
  #wake: (() => void) | undefined

  tell(): void {
    this.#wake?.()
  }

  next(limit: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limit)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** Listens until it is cut. Without events there are still the looks from time to time, so a failure here is none. */
async function watch({ client, managementTimeout }: Room, container: string, cut: Cut, news: News): Promise<void> {
  const query = { filters: filters({ container: [container], type: ['container'] }) }
  const exchange = cut.closes(client.exchange('GET', '/events', { query, timeout: managementTimeout }))
  exchange.stdout.on('data', () => { news.tell() }).on('error', () => undefined)
  await exchange.head.catch(() => undefined)
}
