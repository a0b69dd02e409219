// How each client runs one command in a pod, asks what the API server knows, and reads what comes for long.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { PassThrough, Writable } from 'node:stream'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ECHO = ['sh', '-c', 'echo hello']

async function native(kubeconfig, options) {
  const { KubernetesConnectionPool } = await import('../../index.mjs')
  const pool = new KubernetesConnectionPool({ kubeconfig, ...options })
  const context = pool.createContext()
  return {
    exec: async (pod) => (await context.exec(pod, 'echo hello')).stdout,
    logs: (pod) => context.logs(pod, { tail: 10 }),
    list: async () => (await context.listPods()).length,
    async stream(pod, bytes) {
      const running = context.spawn(pod, `head -c ${bytes} /dev/zero`)
      running.stderr.resume()
      for await (const piece of running.stdout) bytes -= piece.length
      await running.done
      if (bytes !== 0) throw new Error(`${bytes} bytes are missing`)
    },
    async follow(pod, lines) {
      for await (const line of context.followLogs(pod)) {
        if (line === '') throw new Error('a blank line that nobody wrote')
        if ((lines -= 1) === 0) return
      }
      throw new Error(`${lines} lines are missing`)
    },
    close: () => pool.dispose(),
  }
}

export const ours = { label: '@xec-sh/native', open: (kubeconfig) => native(kubeconfig) }

export const persistent = { label: '@xec-sh/native, persistent', open: (kubeconfig) => native(kubeconfig, { shell: 'persistent' }) }

export const kubectl = {
  label: 'kubectl',
  async open(kubeconfig) {
    const kubectl = async (...args) => (await run('kubectl', ['--kubeconfig', kubeconfig, ...args])).stdout
    return {
      exec: (pod) => kubectl('exec', pod, '--', ...ECHO),
      logs: (pod) => kubectl('logs', pod, '--tail', '10'),
      list: async () => JSON.parse(await kubectl('get', 'pods', '-o', 'json')).items.length,
      close: async () => undefined,
    }
  },
}

/** `open` resolves with `undefined` where it is not installed: npm install --no-save @kubernetes/client-node@1 */
export const clientNode = {
  label: '@kubernetes/client-node',
  async open(kubeconfig) {
    const module = await import('@kubernetes/client-node').catch(() => undefined)
    if (module === undefined) return undefined
    const config = new module.KubeConfig()
    config.loadFromFile(kubeconfig)
    const api = config.makeApiClient(module.CoreV1Api)
    const exec = (pod, command, stdout) => new Promise((resolve, reject) => {
      const ended = ({ status, message }) => {
        if (status === 'Success') resolve()
        else reject(new Error(`client-node: ${message}`))
      }
      new module.Exec(config).exec('default', pod, 'main', command, stdout, new PassThrough().resume(), null, false, ended).catch(reject)
    })
    return {
      async exec(pod) {
        let text = ''
        await exec(pod, ECHO, new Writable({ write: (piece, _encoding, done) => { text += piece; done() } }))
        return text
      },
      logs: (name) => api.readNamespacedPodLog({ name, namespace: 'default', tailLines: 10 }),
      list: async () => (await api.listNamespacedPod({ namespace: 'default' })).items.length,
      async stream(pod, bytes) {
        await exec(pod, ['head', '-c', String(bytes), '/dev/zero'], new Writable({ write: (piece, _encoding, done) => { bytes -= piece.length; done() } }))
        if (bytes !== 0) throw new Error(`${bytes} bytes are missing`)
      },
      async follow(pod, lines) {
        const text = new PassThrough()
        const following = await new module.Log(config).log('default', pod, 'main', text, { follow: true })
        const reader = createInterface({ input: text, crlfDelay: Infinity })
        reader.on('line', () => { if ((lines -= 1) === 0) reader.close() })
        await once(reader, 'close')
        // Its own stream fails then, which is what was asked for.
        text.on('error', () => undefined)
        following.abort()
        if (lines > 0) throw new Error(`${lines} lines are missing`)
      },
      close: async () => undefined,
    }
  },
}
