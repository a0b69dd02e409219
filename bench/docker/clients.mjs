// How each client runs one command in a container, and asks for what the daemon knows.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { promisify } from 'node:util'
import Docker from 'dockerode'
import { DockerConnectionPool } from '../../index.mjs'

const run = promisify(execFile)

export async function ours({ socketPath }, shell) {
  const pool = new DockerConnectionPool({ socketPath, ...(shell === undefined ? {} : { shell }) })
  await pool.getClient()
  return {
    exec: async (container) => (await pool.exec(container, 'echo hello')).stdout,
    inspect: async (container) => JSON.parse((await pool.request('GET', `/containers/${container}/json`)).body).Id,
    list: async () => JSON.parse((await pool.request('GET', '/containers/json')).body).length,
    close: () => pool.dispose(),
  }
}

export async function cli({ url }) {
  const docker = async (...args) => (await run('docker', ['--host', url, ...args])).stdout
  return {
    exec: (container) => docker('exec', container, 'sh', '-c', 'echo hello'),
    inspect: async (container) => JSON.parse(await docker('inspect', container))[0].Id,
    list: async () => (await docker('ps', '--quiet', '--no-trunc')).trim().split('\n').length,
    close: async () => undefined,
  }
}

export async function dockerode({ socketPath }) {
  const docker = new Docker({ socketPath })
  return {
    async exec(container) {
      const exec = await docker.getContainer(container).exec({ Cmd: ['sh', '-c', 'echo hello'], AttachStdout: true, AttachStderr: true })
      const stream = await exec.start({ hijack: true, stdin: false })
      const [stdout, stderr] = [new PassThrough(), new PassThrough()]
      docker.modem.demuxStream(stream, stdout, stderr)
      let text = ''
      stdout.on('data', (piece) => { text += piece })
      await once(stream, 'end')
      if ((await exec.inspect()).ExitCode !== 0) throw new Error('dockerode: the command failed')
      return text
    },
    inspect: async (container) => (await docker.getContainer(container).inspect()).Id,
    list: async () => (await docker.listContainers()).length,
    close: async () => undefined,
  }
}
