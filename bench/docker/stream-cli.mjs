// The docker CLI, with nobody here reading: what a loop that does nothing has to wait while the daemon works.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export const label = 'docker CLI, an idle loop beside it'

export function open({ url, container, talker }) {
  const docker = async (line) => {
    const child = spawn('sh', ['-c', `docker --host '${url}' ${line} >/dev/null`], { stdio: 'ignore' })
    const [code] = await once(child, 'exit')
    if (code !== 0) throw new Error(`docker ended with ${code}`)
  }
  return {
    stdout: (size) => docker(`exec ${container} head -c ${size} /dev/zero`),
    follow: () => docker(`logs ${talker}`),
    close: async () => undefined,
  }
}
