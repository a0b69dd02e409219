// @xec-sh/native with its defaults.
import { SSHConnectionPool } from '../../index.mjs'

export const label = '@xec-sh/native'

export async function open(target) {
  const pool = new SSHConnectionPool()
  const sftp = await pool.sftp(target)
  return {
    put: (local, remote) => sftp.upload(local, remote),
    get: (remote, local) => sftp.download(remote, local),
    async tree(local, remote) {
      const { failed } = await sftp.uploadDirectory(local, remote)
      if (failed.length > 0) throw failed[0].error
    },
    close: () => pool.dispose(),
  }
}
