// OpenSSH's scp: a process and a connection each time.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export const label = 'scp'

const run = promisify(execFile)

export function open({ host, port, username, privateKey }) {
  const options = ['-q', '-F', 'none', '-P', String(port), '-i', privateKey, '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', '-o', 'BatchMode=yes']
  const there = (path) => `${username}@${host}:${path}`
  return {
    put: (local, remote) => run('scp', [...options, local, there(remote)]),
    get: (remote, local) => run('scp', [...options, there(remote), local]),
    tree: (local, remote) => run('scp', [...options, '-r', local, there(remote)]),
    close: () => undefined,
  }
}
