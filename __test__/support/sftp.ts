import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { Folders } from './files'
import { type SFTP, SSHConnectionPool } from './native'
import { OpenSSHServer } from './openssh'

/** What `withSFTP()` has ready while a test of its file runs. */
export let server: OpenSSHServer
export let pool: SSHConnectionPool
export let sftp: SFTP
export let folders: Folders

/** A server, a pool and a session for the whole file; folders of its own for each test. */
export function withSFTP(): void {
  beforeAll(async () => {
    server = await OpenSSHServer.start()
    pool = new SSHConnectionPool()
    sftp = await pool.sftp(server.target())
  })
  afterAll(async () => {
    await sftp.close()
    await pool.dispose()
    await server.stop()
  })
  beforeEach(() => { folders = new Folders() })
  afterEach(() => { folders.remove() })
}
