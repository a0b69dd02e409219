import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SSHConnectionPool, type SSHTarget } from '../../index.mjs'
import { failureOf } from '../support/failure'
import { TEST_PASSWORD } from '../support/openssh'
import { freePort } from '../support/ports'
import { until } from '../support/wait'
import { SUITED, account } from './accounts'
import { HOSTILE } from './hostile-commands'

let server: ChildProcess
let port: number
const directory = mkdtempSync(join(tmpdir(), 'xec-dropbear-'))

beforeAll(async () => {
  port = await freePort()
  const hostKey = join(directory, 'host_key')
  execFileSync('dropbearkey', ['-t', 'ed25519', '-f', hostKey], { stdio: 'ignore' })
  server = spawn('dropbear', ['-F', '-E', '-r', hostKey, '-p', `127.0.0.1:${port}`, '-P', join(directory, 'pid')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  server.stderr?.setEncoding('utf8').on('data', (text: string) => { log += text })
  await until('dropbear runs', () => log.includes('Not backgrounding'))
})
afterAll(async () => {
  const ended = once(server, 'exit')
  server.kill('SIGTERM')
  await ended
  rmSync(directory, { recursive: true, force: true })
})

const at = (shell: string): SSHTarget => ({
  host: '127.0.0.1', port, username: account(shell), password: TEST_PASSWORD, knownHostsPath: join(directory, 'known_hosts'),
})

describe.each(SUITED)('login shell %s', (shell) => {
  test('hostile commands leave their neighbours alone', async () => {
    await using pool = new SSHConnectionPool({ shell: 'persistent' })
    for (const [turn, { command }] of HOSTILE.entries()) {
      await pool.exec(at(shell), command, { timeout: 20_000 })
      expect(await pool.exec(at(shell), `echo ${turn}; echo e${turn} >&2; exit 7`), command)
        .toMatchObject({ stdout: `${turn}\n`, stderr: `e${turn}\n`, exitCode: 7 })
    }
  })

  test('a session keeps what its commands do, and says how it ends', async () => {
    await using pool = new SSHConnectionPool()
    const session = await pool.session(at(shell), { cwd: '/tmp' })
    await session.execute('word=kept; greet() { echo "hello $1"; }')
    expect(await session.execute('pwd; greet $word; echo err >&2; (exit 5)'))
      .toMatchObject({ stdout: '/tmp\nhello kept\n', stderr: 'err\n', exitCode: 5 })
    expect(await failureOf(session.execute('sleep 82', { timeout: 300 }))).toMatchObject({ code: 'ETIMEDOUT' })
    expect(await failureOf(session.execute('true'))).toMatchObject({ code: 'ESESSIONCLOSED' })
  })
})
