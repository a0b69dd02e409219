import type { NativePacking } from '../../binding'
import { errorFromFailure } from '../../errors'
import type { DockerExchange } from '../../docker'

/** Sends a tree. Where the daemon stops reading, its answer says why: whoever asks for the head gets it. */
export async function send(packing: NativePacking, exchange: DockerExchange, onProgress?: (transferred: number) => void): Promise<void> {
  let transferred = 0
  for (;;) {
    const { data, failure } = await packing.read()
    if (failure !== undefined) {
      exchange.cancel()
      throw errorFromFailure(failure)
    }
    if (data === undefined) break
    if (!await exchange.write(data)) return
    transferred += data.length
    onProgress?.(transferred)
  }
  exchange.end()
}
