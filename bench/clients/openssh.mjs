// OpenSSH's own client over a ControlMaster: one process per command.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { cpuOf } from '../cpu.mjs'

export const label = 'OpenSSH ControlMaster'

export async function open({ host, port, username, privateKey }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'xec-mux-'))
  const socket = path.join(folder, 'socket')
  const common = ['-F', 'none', '-S', socket, '-p', String(port), '-i', privateKey, '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', '-o', 'BatchMode=yes', `${username}@${host}`]
  const master = await startMaster(['-M', '-N', ...common], folder)
  return {
    run: (command) => new Promise((resolve, reject) => {
      execFile('ssh', [...common, command], (error, stdout) => (error ? reject(error) : resolve(stdout)))
    }),
    cpuElsewhere: () => cpuOf(master.pid),
    async close() {
      master.kill()
      await once(master, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

// The master is ready when its socket is there: ssh makes it under another name and renames it.
async function startMaster(args, folder) {
  const watcher = watch(folder)
  const made = new Promise((resolve) => { watcher.on('change', (_kind, name) => { if (name === 'socket') resolve() }) })
  const master = spawn('ssh', args, { stdio: 'inherit' })
  process.once('exit', () => master.kill())
  await Promise.race([made, once(master, 'exit').then(([code]) => { throw new Error(`ssh -M ended with ${code}`) })])
  watcher.close()
  return master
}
