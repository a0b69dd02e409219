// One private OpenSSH server on loopback with a key of its own, and everything it needs in one temporary folder.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { find } from '../scripts/support/programs.mjs'
import { track } from '../scripts/support/run.mjs'
import { TEST_USER } from '../scripts/support/test-user.mjs'

const HOST = '127.0.0.1'

/**
 * Starts sshd with its stock limits, on other addresses and with more lines of configuration where they are given; resolves
 * with `{ target, pid, stop }`. Root logs in as the test account, others as themselves.
 */
export async function startSshd({ addresses = [HOST], lines = [] } = {}) {
  const isRoot = process.getuid() === 0
  const folder = mkdtempSync(path.join(tmpdir(), 'xec-bench-'))
  const port = await freePort()
  writeKeys(folder)
  writeFileSync(path.join(folder, 'config'), config(folder, port, addresses, lines))
  // sshd insists on this folder, which Debian's service would have made.
  if (isRoot) mkdirSync('/run/sshd', { recursive: true })
  const child = track(spawn(find('sshd'), ['-D', '-e', '-f', path.join(folder, 'config')], { stdio: ['ignore', 'ignore', 'pipe'], detached: true }))
  await listening(child)
  const username = isRoot ? TEST_USER : userInfo().username
  const target = { host: HOST, port, username, privateKey: path.join(folder, 'client'), knownHostsPath: path.join(folder, 'known_hosts') }
  return { target, pid: child.pid, version: sshdVersion(), stop: () => stop(child, folder) }
}

function writeKeys(folder) {
  for (const name of ['host', 'client']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(folder, name)])
  copyFileSync(path.join(folder, 'client.pub'), path.join(folder, 'authorized_keys'))
  // The test account reads its authorized keys itself.
  chmodSync(path.join(folder, 'authorized_keys'), 0o644)
  chmodSync(folder, 0o755)
}

const config = (folder, port, addresses, lines) => `
Port ${port}
${addresses.map((address) => `ListenAddress ${address}`).join('\n')}
HostKey ${path.join(folder, 'host')}
AuthorizedKeysFile ${path.join(folder, 'authorized_keys')}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
LogLevel INFO
Subsystem sftp /usr/lib/openssh/sftp-server
${lines.join('\n')}
`

async function freePort() {
  const probe = createServer().listen(0, HOST)
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

async function listening(child) {
  const lines = []
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line)
    if (line.startsWith('Server listening')) return child.stderr.resume()
  }
  throw new Error(`sshd did not start:\n${lines.join('\n')}`)
}

async function stop(child, folder) {
  child.kill('SIGTERM')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  rmSync(folder, { recursive: true, force: true })
}

// sshd has no option for it that succeeds; what it prints with a wrong one starts with its version.
function sshdVersion() {
  const banner = readFileSync(find('sshd'), 'latin1')
  return /OpenSSH_[\w.]+/.exec(banner)?.[0] ?? 'OpenSSH'
}
