import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SshAgent } from '../support/agent'
import { Authority } from '../support/authority'
import { Dockerd } from '../support/dockerd'
import { generateKey } from '../support/keys'
import { Cluster } from '../support/kube'
import { OpenSSHServer, TEST_PASSWORD, TEST_USER } from '../support/openssh'
import { freePort } from '../support/ports'
import { runNode } from '../support/run-script'

const root = join(__dirname, '../..')
const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.mjs'))

/** What each example prints. `$HOST` stands for the server's address. */
const OUTPUT: Record<string, string[]> = {
  'run.mjs': [`hello from ${TEST_USER}`, 'apple 0', 'false true', '137 SIGKILL', 'true'],
  'errors.mjs': [
    'exit 3',
    'ENOTFOUND connection-refused in dial, reached: false',
    'ETIMEDOUT timeout in run, reached: true',
    'EMAXBUFFER unknown in run, reached: true',
    'EINVAL_OPTION invalid-usage in the call, reached: false',
  ],
  'abort.mjs': ['AbortError ABORT_ERR no longer needed'],
  'events.mjs': [
    'created 127.0.0.1 true', 'reused 127.0.0.1',
    '{ totalConnections: 1, idleConnections: 1, poolHits: 1, poolMisses: 1 }', 'closed 127.0.0.1 pool_removal',
  ],
  'control-master.mjs': [`${TEST_USER} is here 3`, 'true', 'false', 'through ssh 4', 'true'],
  'limits.mjs': ['true true', '0'],
  'fleet.mjs': ['1 of 3', '2 of 3', '3 of 3', 'false 2 1 0', '0 completed up', '1 failed ECONNREFUSED', '2 completed up'],
  'lifecycle.mjs': ['false 2 4', '2 undefined', '0 ECONNREFUSED', 'finished true'],
  'metrics.mjs': ['created 127.0.0.1', '1 3 0.75', '4 true true', '0 3'],
  'adapter.mjs': ['connected to 127.0.0.1', 'one argument; not two', '7', '1'],
  'drop-in.mjs': ['quoted; as before', '3 false', 'true', 'execute 127.0.0.1 true'],
  'contexts.mjs': ['the connection was there already', 'true', 'ConnectionError connection-refused', 'false'],
  'sudo.mjs': ['root', '/root', 'input as usual', 'daemon', 'root', '/etc', 'true', 'root', 'ESUDO authentication'],
  'patterns-warming.mjs': [`[ '127.0.0.1' ]`, 'true 2'],
  'patterns-balancing.mjs': [`[ 'job 1 done', 'job 2 done', 'job 3 done' ]`, 'true', '3 [ 0, 0, 0 ]'],
  'patterns-failover.mjs': [
    'not on primary.invalid ENOTFOUND', 'on the backup', 'All hosts failed false', 'primary.invalid ENOTFOUND', 'backup.invalid ENOTFOUND',
  ],
  'patterns-priority.mjs': ['begun before the others came', 'urgent', 'usual', 'report'],
  'patterns-sizing.mjs': ['30', '4 { keepAlive: true, keepAliveInterval: 15000, idleTimeout: 240000 }', 'true'],
  'patterns-adaptive.mjs': ['{ maxConnections: 2, idleTimeout: 60000 }', '{ maxConnections: 5, idleTimeout: 300000 }', '10 true'],
  'environment.mjs': [
    '{', '  poolHits: 1,', '  poolMisses: 1,', '  activeConnections: 0,', '  idleConnections: 1,', '  totalConnections: 1', '}',
    'EPOOLEXHAUSTED true', 'EINVAL_OPTION SSH_POOL_IDLE_TIMEOUT_MS',
  ],
  'shutdown.mjs': ['ended in peace', 'all connections are closed'],
  'monitoring.mjs': [
    '{', '  success: true,', '  pool_stats: {', '    total_connections: 1,', '    alive_connections: 1,', '    in_use_connections: 0,',
    '    idle_connections: 1,', '    idle_timeout: 300,', '    max_lifetime: 3600', '  }', '}',
    'ssh_client_connection_count{pool="build",state="idle"} 1', 'ssh_client_connection_count{pool="build",state="used"} 0',
    ['create_time', 'wait_time', 'use_time', 'count', 'idle.max', 'max', 'pending_requests', 'timeouts']
      .map((name) => `ssh.client.connection.${name}`).join(' '),
  ],
  'files.mjs': [
    '12 all is well', '2 2 27 { transferred: 27, total: 27, files: 2, failed: 1 }', 'broken ENOENT', 'file .htaccess 14', 'directory empty ', 'file index.html 13',
    '100640 false', '<p>hello</p>', 'AbortError transfer', 'true 50000000', 'ENOENT not-found /no/such/file',
  ],
  'streams.mjs': ['compiling', 'linking', '3 false', '3', '42', '0', 'tick', 'tick', '40 120', 'ready', 'bye'],
  'leases.mjs': ['step one', 'step two', 'true', 'true', 'ELEAK true'],
  'forwards.mjs': ['hello', 'true', 'hello', 'dynamic 127.0.0.1 true', 'EFORWARDTARGET', '1', 'closed EPOOLCLOSED'],
  'ssh-config.mjs': [`logged in as ${TEST_USER}`, 'ECONNREFUSED', `ESSHCONFIG config line 2: 'twenty-two' is not a port`],
  'jump-hosts.mjs': [
    `inside as ${TEST_USER}`, `[ 'active 1', 'idle 0' ]`, 'two hops away', 'EJUMPHOST connection-refused true',
    'EPROXY 127.0.0.1 is out of reach', 'EPROXY connection-refused false',
  ],
  'host-keys.mjs': [
    'true', 'EHOSTKEY verifier-failed', 'trusted', 'EHOSTKEY changed line 1', `[ 'line 2: expected hosts, key type and key' ]`,
  ],
  'sessions.mjs': ['hello from test in sessions-example 0', 'second', 'kept', 'leaving 3 true', 'ESESSIONCLOSED false', '/tmp nothing is left', 'one call'],
  'authentication.mjs': [
    'in with a key', 'in with the agent', 'in with a certificate', 'in with answers', 'in with what the server wanted',
    'EPROMPT cancelled by the user', 'EAUTH tried password; the server accepts publickey,password,keyboard-interactive'.replaceAll(',', ', '),
  ],
  'docker.mjs': [
    'hello from web true true', `[ 'b', 'a' ]`, 'ETIMEDOUT true begun', 'line 1', 'line 2', 'line 3', 'test in /', 'in a warm shell', '3', '/web',
    'ENOCONTAINER not-found 404', '1 0',
  ],
  'docker-adapter.mjs': [
    `[ '/etc', 'one argument; not two' ]`, '3 true', 'tester', '2 true', `[ 'worker', 'web' ]`, 'log: step 2', 'log: step 3', '1 1 12', '<p>hello</p>',
    `[ 'example:1' ]`, `[ 'for you', 'index.html' ]`, 'DockerError cp not-found ENOENT', '125',
  ],
  'kubernetes.mjs': [
    'hello from /tmp 3', 'web 12', 'step 1', 'step 2', 'still in www', 'begun', 'ready', 'ready', '200 page', '1 copied', 'web Running true', 'ENOPOD not-found false',
  ],
  'kubernetes-adapter.mjs': [
    'one argument; not two', '3', 'ready', 'root', 'selected', `[ 'a', 'b' ]`, 'log: begun', 'log: ready', '200', '<p>hello</p>', 'pod/web 0', 'web true',
    'KubernetesError no-such-pod not-found ENOPOD',
  ],
  'engine.mjs': ['over the shared pool', 'over a pool of its own', '1'],
}

let directory: string
let server: OpenSSHServer
let agent: SshAgent
let docker: Dockerd
let cluster: Cluster
let webPort: number
let certified: { SSH_CERTIFIED_KEY: string, SSH_CERTIFICATE: string }

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xec-examples-'))
  const authority = new Authority(directory)
  const key = generateKey(directory, 'certified')
  certified = { SSH_CERTIFIED_KEY: key.path, SSH_CERTIFICATE: authority.certify(key, undefined, 'certificate.pub') }
  server = await OpenSSHServer.start({ config: [authority.trusted, 'KbdInteractiveAuthentication yes'] })
  agent = await SshAgent.start(server.userKey.path)
  docker = await Dockerd.start()
  await docker.container({ name: 'web' })
  cluster = await Cluster.start()
  webPort = await freePort()
  await cluster.pod({ name: 'web', labels: { app: 'web' }, command: ['sh', '-c', `echo begun; echo ready; mkdir /www; echo page > /www/index.html; exec httpd -f -p 127.0.0.1:${webPort} -h /www`] })
})

afterAll(async () => {
  await server.stop()
  await agent.stop()
  await docker.stop()
  await cluster.stop()
  rmSync(directory, { recursive: true, force: true })
})

describe('examples', () => {
  it('each one has its output written down here', () => {
    expect(Object.keys(OUTPUT).sort()).toEqual(examples.sort())
  })

  it.each(Object.keys(OUTPUT))('%s', async (name) => {
    // The one that sudo has a rule for.
    const user = name === 'sudo.mjs' ? 'xecsudo' : TEST_USER
    const { code, stdout, stderr } = await runNode([join(root, 'examples', name)], {
      SSH_TARGET: `${user}@127.0.0.1:${server.port}`, SSH_KEY: server.userKey.path, SSH_KNOWN_HOSTS: server.knownHosts,
      SSH_AUTH_SOCK: agent.socket, DOCKER_HOST: docker.url, KUBECONFIG: cluster.kubeconfig(), WEB_PORT: String(webPort), SSH_CODE: TEST_PASSWORD, SUDO_PASSWORD: TEST_PASSWORD, ...certified,
    })
    expect({ code, lines: stdout.trimEnd().split('\n'), stderr }).toEqual({ code: 0, lines: OUTPUT[name], stderr: '' })
  })
})




const guides = readdirSync(join(root, 'docs/guides')).map((name) => `guides/${name}`)
const documents = ['api.md', 'errors.md', 'metrics.md', ...guides]

/** Fenced blocks that say which region of which example they show: ```js file=examples/x.mjs region=y */
const FENCE = /^```js file=(\S+) region=(\S+)\n([\s\S]*?)^```/gm

describe('documents show the examples as they are', () => {
  it.each(documents)('%s', (name) => {
    const text = readFileSync(join(root, 'docs', name), 'utf8')
    for (const [, file = '', region = '', shown] of text.matchAll(FENCE)) {
      expect(`${file}#${region}\n${shown ?? ''}`).toBe(`${file}#${region}\n${regionOf(file, region)}`)
    }
  })

  it('every JavaScript block comes from an example', () => {
    const loose = documents.flatMap((name) => readFileSync(join(root, 'docs', name), 'utf8').split('\n')
      .filter((line) => /^```(js|javascript|ts|typescript)/.test(line) && !/^```js file=\S+ region=\S+$/.test(line)))
    expect(loose).toEqual([])
  })

  it('there are such blocks', () => {
    const count = documents.map((name) => [...readFileSync(join(root, 'docs', name), 'utf8').matchAll(FENCE)].length)
    expect(Math.min(...count)).toBeGreaterThan(0)
  })
})

function regionOf(file: string, region: string): string {
  const text = readFileSync(join(root, file), 'utf8')
  const found = new RegExp(`^// #region ${region}\\n([\\s\\S]*?)^// #endregion`, 'm').exec(text)
  if (found?.[1] === undefined) throw new Error(`${file} has no region ${region}`)
  return found[1]
}
