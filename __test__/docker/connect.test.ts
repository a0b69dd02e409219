import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Dockerd } from '../support/dockerd'
import { failureOf } from '../support/failure'
import { DockerConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { freePort } from '../support/ports'
import { gone, there } from './engines'

let folder: string
let engine: Dockerd
let container: string
let plain: number
const VARIABLES = ['DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_CONFIG', 'DOCKER_TLS_VERIFY', 'DOCKER_CERT_PATH'] as const
let before: Record<string, string | undefined>

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xec-docker-'))
  plain = await freePort()
  engine = await Dockerd.start({ hosts: [`tcp://127.0.0.1:${plain}`] })
  container = await engine.container({ name: 'web' })
})

afterAll(async () => {
  await engine.stop()
  rmSync(folder, { recursive: true, force: true })
})

beforeEach(() => {
  before = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]))
  for (const name of VARIABLES) Reflect.deleteProperty(process.env, name)
  process.env['DOCKER_CONFIG'] = join(folder, 'none')
})

afterEach(() => {
  for (const name of VARIABLES) {
    if (before[name] === undefined) Reflect.deleteProperty(process.env, name)
    else process.env[name] = before[name]
  }
})

async function says(options?: ConstructorParameters<typeof DockerConnectionPool>[0]): Promise<string> {
  await using pool = new DockerConnectionPool(options)
  return (await pool.exec('web', 'echo here')).stdout.trim()
}

function context(config: string, name: string, host: string): void {
  const meta = join(config, 'contexts/meta', createHash('sha256').update(name).digest('hex'))
  mkdirSync(meta, { recursive: true })
  writeFileSync(join(meta, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } }))
}

describe('which daemon', () => {
  it('is said by options: a socket, a host and port, URLs', async () => {
    expect(await says({ socketPath: engine.socketPath })).toBe('here')
    expect(await says({ host: '127.0.0.1', port: plain })).toBe('here')
    expect(await says({ host: `tcp://127.0.0.1:${plain}` })).toBe('here')
    expect(await says({ host: `http://localhost:${plain}` })).toBe('here')
    expect(await says({ host: `unix://${engine.socketPath}` })).toBe('here')
  })

  it('is said by DOCKER_HOST', async () => {
    process.env['DOCKER_HOST'] = engine.url
    expect(await says()).toBe('here')
  })

  it('is said by a context: an option, DOCKER_CONTEXT, or the current one of the configuration', async () => {
    const config = join(folder, 'config')
    context(config, 'mine', engine.url)
    process.env['DOCKER_CONFIG'] = config
    expect(await says({ context: 'mine' })).toBe('here')
    process.env['DOCKER_CONTEXT'] = 'mine'
    expect(await says()).toBe('here')
    delete process.env['DOCKER_CONTEXT']
    writeFileSync(join(config, 'config.json'), JSON.stringify({ currentContext: 'mine' }))
    expect(await says()).toBe('here')
    process.env['DOCKER_HOST'] = 'unix:///not/there'
    expect(await failureOf(says())).toMatchObject({ code: 'ENODAEMON' })
  })

  it('cannot be said by what is not there, or broken', async () => {
    const config = join(folder, 'broken')
    mkdirSync(config)
    process.env['DOCKER_CONFIG'] = config
    expect(await failureOf(says({ context: 'no-such' }))).toMatchObject({ code: 'EDOCKERCONTEXT', kind: 'not-found', reached: false })
    writeFileSync(join(config, 'config.json'), '{')
    expect(await failureOf(says())).toMatchObject({ code: 'EDOCKERCONTEXT', kind: 'invalid-usage', path: join(config, 'config.json') })
  })

  it.each([
    [{ socketPath: '/x', host: 'y' }, 'host'], [{ host: 'ftp://x' }, 'host'], [{ host: 'tcp://' }, 'host'], [{ port: 1 }, 'port'],
    [{ host: 'ssh://u:secret@h' }, 'host'], [{ host: 'x', ssh: {} }, 'ssh'], [{ tls: { cafile: 'x' } }, 'tls.cafile'], [{ timeout: 0 }, 'timeout'],
    [{ host: 'x', tls: { ca: '-----BEGIN nonsense' } }, 'tls'],
  ])('refuses %j', async (options, option) => {
    const error = await failureOf((async () => new DockerConnectionPool(options as object).getClient())())
    expect(error).toMatchObject({ code: 'EINVAL_OPTION', option })
    expect(error.message).not.toContain('secret')
  })
})

describe('a daemon that is not reachable', () => {
  it.each<[string, () => object, string, string]>([
    ['a socket that is not there', () => ({ socketPath: join(folder, 'none.sock') }), 'ENODAEMON', 'connection-refused'],
    ['a port that nobody listens at', () => ({ host: '127.0.0.1', port: 1 }), 'ECONNREFUSED', 'connection-refused'],
    ['a name that nobody knows', () => ({ host: 'daemon.invalid' }), 'ENOTFOUND', 'connection-refused'],
  ])('%s', async (_, options, code, kind) => {
    await using pool = new DockerConnectionPool(options())
    for (const failing of [() => pool.getClient(), () => pool.exec('web', 'true'), () => pool.request('GET', '/version')]) {
      expect(await failureOf(failing())).toMatchObject({ code, kind, phase: 'dial', reached: false })
    }
  })

  it('one that is no daemon, is too old, or says nothing', async () => {
    const answers = { 'EPROTO': { body: '<html>', version: '1.41' }, 'EAPIVERSION': { body: 'OK', version: '1.12' } }
    for (const [code, { body, version }] of Object.entries(answers)) {
      const server = createServer((_request, response) => { response.setHeader('api-version', version).end(body) }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      await using pool = new DockerConnectionPool({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
      expect(await failureOf(pool.getClient())).toMatchObject({ code, phase: 'handshake', reached: false })
      server.close()
    }
    const silent = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    await using pool = new DockerConnectionPool({ host: '127.0.0.1', port: (silent.address() as AddressInfo).port, timeout: 300 })
    expect(await failureOf(pool.getClient())).toMatchObject({ code: 'ETIMEDOUT', kind: 'timeout' })
    silent.closeAllConnections()
    silent.close()
  })
})

describe('over TCP, where the daemon\'s machine is not looked at', () => {
  it.each<[string, string | string[]]>([['a line', 'sleep 1101'], ['a program', ['sleep', '1101']]])('a timeout ends %s in the container', async (_, command) => {
    await using pool = new DockerConnectionPool({ host: '127.0.0.1', port: plain })
    const failing = failureOf(pool.exec('web', command, { timeout: 1_500 }))
    await there(engine, container, '1101')
    expect(await failing).toMatchObject({ code: 'ETIMEDOUT', reached: true })
    await gone(engine, container, '1101')
  })
})

describe('over TLS', () => {
  let secure: Dockerd
  let port: number
  const file = (name: string): string => join(folder, `${name}.pem`)

  function openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'ignore', cwd: folder })
  }

  /** A key and its certificate, signed by the authority. */
  function issue(name: string, extensions: string): void {
    writeFileSync(join(folder, `${name}.ext`), extensions)
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file(`${name}-key`), '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', file('ca'), '-CAkey', file('ca-key'), '-CAcreateserial', '-days', '2', '-out', file(name), '-extfile', `${name}.ext`)
  }

  beforeAll(async () => {
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file('ca-key'), '-out', file('ca'), '-days', '2', '-subj', '/CN=authority')
    issue('server', 'subjectAltName=IP:127.0.0.1,DNS:docker.test\nextendedKeyUsage=serverAuth')
    issue('client', 'extendedKeyUsage=clientAuth')
    port = await freePort()
    secure = await Dockerd.start({
      hosts: [`tcp://127.0.0.1:${port}`],
      options: ['--tlsverify', '--tlscacert', file('ca'), '--tlscert', file('server'), '--tlskey', file('server-key')],
    })
    await secure.container({ name: 'web' })
  })

  afterAll(async () => { await secure.stop() })

  const certificates = (): { ca: string; cert: string; key: string } => ({ ca: file('ca'), cert: file('client'), key: file('client-key') })

  it('runs commands, with half-close, streams and exit codes', async () => {
    await using pool = new DockerConnectionPool({ host: '127.0.0.1', port, tls: certificates() })
    expect(await pool.exec('web', 'cat; echo err >&2; exit 3', { stdin: 'in' })).toMatchObject({ stdout: 'in', stderr: 'err\n', exitCode: 3 })
    expect(pool.getConnections()[0]).toMatchObject({ host: '127.0.0.1', port })
  })

  it('by the variables and files of the Docker CLI', async () => {
    const certs = join(folder, 'certs')
    mkdirSync(certs)
    for (const [name, source] of [['ca', 'ca'], ['cert', 'client'], ['key', 'client-key']] as const) execFileSync('cp', [file(source), join(certs, `${name}.pem`)])
    process.env['DOCKER_HOST'] = `tcp://127.0.0.1:${port}`
    process.env['DOCKER_TLS_VERIFY'] = '1'
    process.env['DOCKER_CERT_PATH'] = certs
    expect(await says()).toBe('here')
  })

  it('refuses a daemon that it cannot trust, or whose name is another', async () => {
    const unknown = await failureOf(says({ host: '127.0.0.1', port, tls: true }))
    expect(unknown).toMatchObject({ code: expect.stringMatching(/^(ETLS|EINVAL_OPTION)$/) as string })
    const named = await failureOf(says({ host: '127.0.0.1', port, tls: { ...certificates(), serverName: 'other.test' } }))
    expect(named).toMatchObject({ code: 'ETLS', kind: 'authentication', phase: 'handshake', reached: false })
    expect(await says({ host: '127.0.0.1', port, tls: { ...certificates(), serverName: 'docker.test' } })).toBe('here')
    expect(await says({ host: '127.0.0.1', port, tls: { cert: file('client'), key: file('client-key'), verify: false } })).toBe('here')
  })

  it('is refused without a certificate of its own, or when it does not speak TLS', async () => {
    expect(await failureOf(says({ host: '127.0.0.1', port, tls: { ca: file('ca') } }))).toMatchObject({ reached: false })
    expect(await failureOf(says({ host: '127.0.0.1', port }))).toHaveProperty('code')
    expect(await failureOf(says({ host: '127.0.0.1', port, tls: { ca: join(folder, 'none.pem') } }))).toMatchObject({ code: 'ETLS', kind: 'not-found' })
  })
})

describe('over ssh://', () => {
  let server: OpenSSHServer

  beforeAll(async () => {
    server = await OpenSSHServer.start()
    execFileSync('chmod', ['0755', engine.folder])
    execFileSync('chmod', ['0666', engine.socketPath])
  })

  afterAll(async () => { await server.stop() })

  it('runs commands through a pooled connection', async () => {
    const { host, port, username, privateKey, knownHostsPath } = server.target()
    const url = `ssh://${username}@${host}:${port}${engine.socketPath}`
    await using pool = new DockerConnectionPool({ host: url, ssh: { privateKey, knownHostsPath, sshConfig: false } })
    expect(await pool.exec('web', 'cat; exit 5', { stdin: 'over ssh' })).toMatchObject({ stdout: 'over ssh', exitCode: 5 })
    expect((await Promise.all(Array.from({ length: 8 }, (_, i) => pool.exec('web', `echo ${i}`)))).map(({ stdout }) => stdout.trim()))
      .toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
    expect((await pool.exec('web', 'echo warm', { shell: 'persistent' })).stdout).toBe('warm\n')
    expect(pool.getConnections()[0]?.host).toBe(url)
    const failing = failureOf(pool.exec('web', 'sleep 1201', { timeout: 1_500 }))
    await there(engine, container, '1201')
    expect(await failing).toMatchObject({ code: 'ETIMEDOUT' })
    await gone(engine, container, '1201')
  })

  it('goes by way of the docker program where the server forwards no sockets', async () => {
    const strict = await OpenSSHServer.start({ config: ['AllowStreamLocalForwarding no'] })
    try {
      const { host, port, username, privateKey, knownHostsPath } = strict.target()
      const ssh = { privateKey, knownHostsPath, sshConfig: false }
      await using pool = new DockerConnectionPool({ host: `ssh://${username}@${host}:${port}${engine.socketPath}`, ssh })
      expect(await pool.exec('web', 'cat; exit 5', { stdin: 'by stdio' })).toMatchObject({ stdout: 'by stdio', exitCode: 5 })
      expect(await pool.exec('web', 'head -c 3000000 /dev/zero | wc -c; head -c 3000000 /dev/zero', { encoding: 'buffer' })).toMatchObject({ exitCode: 0, stdout: { length: 3_000_008 } })
      expect(await failureOf(says({ host: `ssh://${username}@${host}:${port}/not/there.sock`, ssh }))).toMatchObject({ code: 'EFORWARDTARGET', reached: false })
    } finally {
      await strict.stop()
    }
  })

  it('says which part of the way failed', async () => {
    const { host, port, username, privateKey, knownHostsPath } = server.target()
    const ssh = { privateKey, knownHostsPath, sshConfig: false }
    expect(await failureOf(says({ host: `ssh://${username}@${host}:${port}/not/there.sock`, ssh }))).toMatchObject({ code: 'EFORWARDTARGET', reached: false })
    expect(await failureOf(says({ host: `ssh://nobody-here@${host}:${port}`, ssh }))).toMatchObject({ code: 'EAUTH', reached: false })
  })
})
