// What an exec takes without any API server: the runtime is asked for its streaming server's address, and that for the command.
import { URLSearchParams } from 'node:url'
import { SpdyClient } from '../../scripts/support/kube/spdy.mjs'
import { askForSpdy } from '../../scripts/support/kube/upgrade.mjs'

export const label = 'containerd itself'

/** Milliseconds of one `echo hello`. */
export async function execOnce({ pods, store }, name) {
  const begun = performance.now()
  const query = new URLSearchParams([['stdout', 'true'], ['stderr', 'true'], ...['sh', '-c', 'echo hello'].map((word) => ['command', word])])
  const { socket, head } = await askForSpdy(await pods.stream(store.get('pods', 'default', name), 'exec', query), 'v4.channel.k8s.io')
  const output = await new Promise((resolve, reject) => {
    const open = new Set()
    let text = ''
    const ended = (stream) => { if (open.delete(stream) && open.size === 0) resolve(text) }
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the streaming server hung up')))
    const client = new SpdyClient(socket, head, { onData: (stream, bytes) => { if (stream === stdout) text += bytes }, onEnd: ended, onReset: ended })
    let stdout
    const start = async () => {
      for (const streamtype of ['stdout', 'stderr', 'error']) {
        const stream = await client.open({ streamtype })
        open.add(stream)
        if (streamtype === 'stdout') stdout = stream
      }
    }
    start().catch(reject)
  })
  const spent = performance.now() - begun
  socket.destroy()
  if (output !== 'hello\n') throw new Error(`the runtime answers ${JSON.stringify(output)}`)
  return spent
}
