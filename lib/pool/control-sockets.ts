import { isMainThread } from 'node:worker_threads'
import { removeControlSockets } from '../binding'

let registered = false

/** A process that ends without closing its pools leaves no socket files behind. A worker's end is not the process's. */
export function removeSocketsAtExit(): void {
  if (registered || !isMainThread) return
  registered = true
  process.once('exit', removeControlSockets)
}
