// @xec-sh/native's spawn.
import { once } from 'node:events'
import { SSHConnectionPool } from '../../index.mjs'
import { emptied, filled } from './bytes.mjs'

export const label = '@xec-sh/native, spawn'

export function open(target) {
  const pool = new SSHConnectionPool()
  return {
    async stdout(size) {
      const running = pool.spawn(target, `head -c ${size} /dev/zero`)
      running.stderr.resume()
      await emptied(running.stdout, size)
      await running.done
    },
    async stdin(size) {
      const running = pool.spawn(target, 'cat >/dev/null')
      running.stdout.resume()
      running.stderr.resume()
      await filled(running.stdin, size)
      await running.done
    },
    close: () => pool.dispose(),
  }
}

/** Holds a stream that nobody reads; resolves once it has stalled, with how to let go of it. */
export async function unread(pool, target) {
  const running = pool.spawn(target, 'yes')
  await once(running.stdout, 'readable')
  return async () => {
    running.kill('SIGKILL')
    running.stdout.resume()
    running.stderr.resume()
    await running.done
  }
}
