// node-ssh's putDirectory with its defaults.
import { NodeSSH } from 'node-ssh'

export const label = 'node-ssh 13.2, putDirectory'

export async function open({ host, port, username, privateKey }) {
  const ssh = new NodeSSH()
  await ssh.connect({ host, port, username, privateKeyPath: privateKey })
  ssh.connection.setNoDelay(true)
  return {
    async tree(local, remote) {
      if (!(await ssh.putDirectory(local, remote, { recursive: true }))) throw new Error('putDirectory left files out')
    },
    close: () => ssh.dispose(),
  }
}
