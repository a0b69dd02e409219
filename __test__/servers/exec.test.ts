import { createHash, randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SSHConnectionPool, type SSHTarget } from '../../index.mjs'
import { Dropbear } from '../support/dropbear'
import { failureOf } from '../support/failure'
import { OpenSSHServer, TEST_PASSWORD } from '../support/openssh'
import { PythonServer } from '../support/python-servers'

interface Server {
  target: (extra?: Partial<SSHTarget>) => SSHTarget
  stop: () => Promise<void>
}

const SERVERS: [name: string, start: () => Promise<Server>, password: string][] = [
  ['OpenSSH', () => OpenSSHServer.start(), TEST_PASSWORD],
  ['dropbear', () => Dropbear.start('127.0.0.1'), TEST_PASSWORD],
  ['asyncssh', () => PythonServer.start('asyncssh'), 'correct horse battery'],
  ['paramiko', () => PythonServer.start('paramiko'), 'correct horse battery'],
]

describe.each(SERVERS)('commands on %s', (_name, start, password) => {
  let server: Server
  let pool: SSHConnectionPool

  beforeAll(async () => {
    server = await start()
    pool = new SSHConnectionPool()
  })
  afterAll(async () => {
    await pool.dispose()
    await server.stop()
  })

  it('output, exit code, directory, environment, input', async () => {
    const result = await pool.exec(server.target(), 'pwd; echo "$A"; cat; echo err >&2; exit 7', {
      cwd: '/usr', env: { A: 'it\'s "quoted"' }, stdin: 'input',
    })
    expect(result).toMatchObject({ stdout: '/usr\nit\'s "quoted"\ninput', stderr: 'err\n', exitCode: 7, ok: false })
  })

  it('a killed command is told by its signal', async () => {
    expect(await pool.exec(server.target(), 'kill -9 $$')).toMatchObject({ exitCode: 137, signal: 'SIGKILL', ok: false })
  })

  it('a password logs in, a wrong one does not', async () => {
    expect(await pool.exec(server.target({ privateKey: undefined, password }), 'echo in')).toMatchObject({ stdout: 'in\n' })
    const refused = failureOf(pool.exec(server.target({ privateKey: undefined, password: 'wrong' }), 'true'))
    expect(await refused).toMatchObject({ code: 'EAUTH', kind: 'authentication', reached: false })
  })

  it('eight megabytes both ways arrive unchanged', async () => {
    const bytes = randomBytes(8 * 1024 * 1024)
    const { stdout } = await pool.exec(server.target(), 'cat', { stdin: bytes, encoding: 'buffer', maxBuffer: 16 * 1024 * 1024 })
    expect(createHash('sha256').update(stdout).digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'))
  })

  it('a hundred commands, sixteen at once, each with its own output', async () => {
    const numbers = Array.from({ length: 100 }, (_, n) => n)
    const queue = numbers.values()
    const seen: string[] = []
    await Promise.all(Array.from({ length: 16 }, async () => {
      for (const n of queue) seen[n] = (await pool.exec(server.target(), `echo ${n}`)).stdout
    }))
    expect(seen).toEqual(numbers.map((n) => `${n}\n`))
    expect(pool.getStats().connectionsFailed).toBeLessThanOrEqual(1)
  })

  it('a timeout and an abort end a command, and its neighbours go on', async () => {
    const neighbour = pool.exec(server.target(), 'sleep 1; echo whole')
    expect(await failureOf(pool.exec(server.target(), 'sleep 60', { timeout: 200 }))).toMatchObject({ code: 'ETIMEDOUT', phase: 'run' })
    const signal = AbortSignal.timeout(200)
    expect(await failureOf(pool.exec(server.target(), 'sleep 60', { signal }))).toMatchObject({ code: 'ABORT_ERR' })
    expect(await neighbour).toMatchObject({ stdout: 'whole\n', exitCode: 0 })
  })

  it('streams', async () => {
    const process = pool.spawn(server.target(), 'read line; echo "got $line"; seq 3')
    process.stdin.end('it\n')
    expect(await text(process.stdout)).toBe('got it\n1\n2\n3\n')
    expect(await process.done).toMatchObject({ exitCode: 0 })
  })
})
