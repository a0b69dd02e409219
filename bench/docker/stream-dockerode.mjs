// dockerode's exec and logs, taken apart by its own demultiplexer.
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { createInterface } from 'node:readline'
import Docker from 'dockerode'
import { emptied } from '../streams/bytes.mjs'

export const label = 'dockerode 5'

export function open({ socketPath, container, talker }) {
  const docker = new Docker({ socketPath })
  return {
    async stdout(size) {
      const exec = await docker.getContainer(container).exec({
        Cmd: ['sh', '-c', `head -c ${size} /dev/zero`], AttachStdout: true, AttachStderr: true,
      })
      const stream = await exec.start({ hijack: true, stdin: false })
      const [stdout, stderr] = apart(stream)
      stderr.resume()
      // Its demultiplexer does not pass the end on.
      stream.once('end', () => stdout.end())
      await emptied(stdout, size)
      if ((await exec.inspect()).ExitCode !== 0) throw new Error('dockerode: the command failed')
    },
    async follow(size) {
      const stream = await docker.getContainer(talker).logs({ follow: true, stdout: true, stderr: true })
      const [stdout, stderr] = apart(stream)
      stderr.resume()
      let seen = 0
      for await (const line of createInterface({ input: stdout, crlfDelay: Infinity })) {
        seen += line.length + 1
        if (seen >= size) break
      }
      const closed = once(stream, 'close')
      stream.destroy()
      await closed
    },
    close: async () => undefined,
  }

  function apart(stream) {
    const streams = [new PassThrough(), new PassThrough()]
    docker.modem.demuxStream(stream, ...streams)
    return streams
  }
}
