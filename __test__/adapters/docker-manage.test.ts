import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DockerAdapter, DockerError } from '../support/native'
import { Dockerd, type PrivateEngine } from '../support/dockerd'
import { causeOf, failureOf } from '../support/failure-of'
import { Podman } from '../support/podman'

describe.each([{ Engine: Dockerd }, { Engine: Podman }])('$Engine.name', ({ Engine }) => {
  let engine: PrivateEngine
  let adapter: DockerAdapter

  beforeAll(async () => { engine = await Engine.start() })
  afterAll(async () => { await engine.stop() })
  beforeEach(() => { adapter = new DockerAdapter({ socketPath: engine.socketPath }) })
  afterEach(async () => {
    for (const name of await adapter.listContainers(true)) await adapter.removeContainer(name, true)
    await adapter.dispose()
  })

  /** Ends at once when it is stopped. */
  const idle = ['sh', '-c', 'trap exit TERM; while true; do sleep 0.1; done']

  const box = (name: string, command = idle, extra: object = {}): Promise<void> =>
    adapter.runContainer({ name, image: engine.image, network: 'none', command, ...extra })

  const sh = (container: string, line: string): Promise<string> =>
    adapter.execute({ command: line, adapterOptions: docker(container) }).then(({ stdout }) => stdout)

  const docker = (container: string): { type: string } => Object.assign({ type: 'docker' }, { container })

  const state = async (container: string): Promise<{ Status: string, ExitCode: number }> =>
    (await adapter.inspectContainer(container))['State'] as { Status: string, ExitCode: number }

  describe('containers', () => {
    it('run, list, stop, start, restart, kill, wait, remove', async () => {
      await box('life')
      expect(await adapter.listContainers()).toEqual(['life'])
      await adapter.startContainer('life')
      await adapter.stopContainer('life')
      await adapter.stopContainer('life')
      expect(await adapter.listContainers()).toEqual([])
      expect(await adapter.listContainers(true)).toEqual(['life'])
      await adapter.startContainer('life')
      await adapter.restartContainer('life', { timeout: 2_000 })
      expect(await state('life')).toMatchObject({ Status: 'running' })
      const waiting = adapter.waitContainer('life')
      await adapter.killContainer('life')
      expect(await waiting).toBe(137)
      await adapter.removeContainer('life')
      expect(await adapter.listContainers(true)).toEqual([])
    })

    it('create takes what run takes, and runs nothing', async () => {
      await adapter.createContainer({ name: 'made', image: engine.image, env: { A: 'b' }, volumes: ['/etc:/there:ro'], ports: ['127.0.0.1:8080:80', '90/udp'] })
      const { Config, HostConfig } = await adapter.inspectContainer('made') as { Config: { Env: string[] }, HostConfig: { Binds: string[], PortBindings: object } }
      expect(Config.Env).toContain('A=b')
      expect(HostConfig.Binds[0]).toMatch(/^\/etc:\/there:ro/)
      expect(HostConfig.PortBindings).toMatchObject({ '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] })
      expect((await state('made')).Status).toMatch(/created|configured/)
    })

    it('every option of run reaches the container', async () => {
      await box('full', idle, {
        env: { A: 'b c' }, workdir: '/tmp', user: 'tester', labels: { role: 'test' }, privileged: true, restart: 'on-failure:3', volumes: ['/etc:/there:ro'],
      })
      expect(await sh('full', 'id -un; pwd; echo "$A"; ls /there/hostname')).toBe('tester\n/tmp\nb c\n/there/hostname\n')
      const { Config, HostConfig } = await adapter.inspectContainer('full') as { Config: { Labels: object }, HostConfig: object }
      expect(Config.Labels).toMatchObject({ role: 'test' })
      expect(HostConfig).toMatchObject({ Privileged: true, RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } })
    })

    it('one that cannot be started is removed again', async () => {
      await failureOf(DockerError, box('broken', ['no-such-program']))
      expect(await adapter.listContainers(true)).toEqual([])
    })

    it('what is refused has a code', async () => {
      await box('taken')
      expect(causeOf(await failureOf(DockerError, adapter.createContainer({ name: 'taken', image: engine.image })))).toBe(engine.kind === 'docker' ? 'ECONFLICT' : 'EDOCKER')
      for (const operation of ['startContainer', 'stopContainer', 'removeContainer', 'inspectContainer', 'killContainer', 'waitContainer', 'getLogs', 'getStats', 'waitForHealthy'] as const) {
        const error = await failureOf(DockerError, adapter[operation]('missing'))
        // Podman's words for it do not say what is missing.
        const code = engine.kind === 'podman' && operation === 'getStats' ? 'ENOENT' : 'ENOCONTAINER'
        expect([operation, causeOf(error), error.kind, error.container]).toEqual([operation, code, 'not-found', 'missing'])
        expect([operation, causeOf(await failureOf(DockerError, adapter[operation]('../x')))]).toEqual([operation, 'EINVAL_OPTION'])
      }
    })

    it.each([
      [{ name: 'a b' }, 'name'], [{ image: 'UP CASE' }, 'image'], [{ volumes: ['relative/x:/y'] }, 'volumes[0]'], [{ ports: ['x'] }, 'ports[0]'],
      [{ restart: 'sometimes' }, 'restart'], [{ healthcheck: { test: 'true', interval: '5' } }, 'healthcheck.interval'], [{ nettwork: 'x' }, `did you mean 'network'`],
      [{ env: { 'A-B': 'x' } }, 'env'], [{ command: 'true' }, 'command'],
    ])('%j is refused', async (wrong, text) => {
      const error = await failureOf(DockerError, adapter.runContainer({ name: 'wrong', image: engine.image, ...wrong } as never))
      expect(causeOf(error)).toBe('EINVAL_OPTION')
      expect(error.message).toContain(text)
    })

    it('stats in the words of docker stats', async () => {
      await box('busy')
      const stats = await adapter.getStats('busy')
      expect(stats).toMatchObject({ Container: 'busy', Name: 'busy' })
      expect(stats.CPUPerc).toMatch(/^\d+\.\d\d%$/)
      expect(stats.MemUsage).toMatch(/^[\d.]+\w*B \/ [\d.]+\w*B$/)
      expect(Number(stats.PIDs)).toBeGreaterThan(0)
      expect(stats.raw).toHaveProperty('cpu_stats')
    })
  })

  describe('health', () => {
    it('waits until it is healthy', async (context) => {
      if (engine.kind === 'podman') return context.skip('podman runs checks by systemd timers, which this machine has not')
      await box('patient', ['sh', '-c', 'sleep 1; touch /ok; sleep 1000'], { healthcheck: { test: 'test -f /ok', interval: '200ms', retries: 1000 } })
      await adapter.waitForHealthy('patient')
    })

    it('fails at once where it never will be', async (context) => {
      await box('unchecked')
      expect((await failureOf(DockerError, adapter.waitForHealthy('unchecked'))).message).toContain('no health check')
      if (engine.kind === 'podman') return context.skip('podman runs checks by systemd timers, which this machine has not')
      await box('ill', idle, { healthcheck: { test: ['CMD', 'false'], interval: '100ms', retries: 1 } })
      expect(causeOf(await failureOf(DockerError, adapter.waitForHealthy('ill')))).toBe('EUNHEALTHY')
      await box('short', ['sleep', '1'], { healthcheck: { test: 'false', interval: '1h' } })
      expect((await failureOf(DockerError, adapter.waitForHealthy('short'))).message).toMatch(/ended|unhealthy/)
    })

    it('and in time', async () => {
      await box('slow', idle, { healthcheck: { test: 'true', interval: '1h' } })
      expect((await failureOf(DockerError, adapter.waitForHealthy('slow', 300))).kind).toBe('timeout')
    })
  })

  describe('logs', () => {
    const program = ['sh', '-c', String.raw`echo one; echo; printf 'tw'; sleep 0.2; echo o; echo err >&2; printf last`]

    it('stdout as it was printed, and lines of both, whole', async () => {
      await box('printer', program)
      await adapter.waitContainer('printer')
      expect(await adapter.getLogs('printer')).toBe('one\n\ntwo\nlast')
      const lines: string[] = []
      await adapter.streamLogs('printer', (line) => { lines.push(line) })
      expect(lines.sort()).toEqual(['\n', 'err\n', 'last\n', 'one\n', 'two\n'])
    })

    it('a part of them', async () => {
      await box('counted', ['sh', '-c', 'echo 1; echo 2; echo 3'])
      await adapter.waitContainer('counted')
      expect(await adapter.getLogs('counted', { tail: 2 })).toBe('2\n3\n')
      expect(await adapter.getLogs('counted', { timestamps: true, tail: 1 })).toMatch(/^\d{4}-\d\d-\d\dT\S+ 3\n$/)
      expect(await adapter.getLogs('counted', { since: '1h', tail: 'all' })).toBe('1\n2\n3\n')
      expect(await adapter.getLogs('counted', { until: '1h' })).toBe('')
      expect(causeOf(await failureOf(DockerError, adapter.getLogs('counted', { since: 'yesterday' })))).toBe('EINVAL_OPTION')
    })

    it('a terminal\'s output has no frames', async () => {
      await engine.container({ name: 'terminal', cmd: ['sh', '-c', 'echo over a terminal'], Tty: true })
      await adapter.waitContainer('terminal')
      expect(await adapter.getLogs('terminal')).toBe('over a terminal\r\n')
    })

    it('follows to the end', async () => {
      await box('counting', ['sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.2; done'])
      const lines: string[] = []
      await adapter.streamLogs('counting', (line) => { lines.push(line) }, { follow: true })
      expect(lines).toEqual(['1\n', '2\n', '3\n'])
      expect(await adapter.getLogs('counting', { follow: true })).toBe('1\n2\n3\n')
    })

    it('a container that says nothing is followed all the same', async () => {
      await using hasty = new DockerAdapter({ socketPath: engine.socketPath, managementTimeout: 1_000 })
      await box('silent', ['sh', '-c', 'sleep 2; echo at last'])
      expect(await hasty.getLogs('silent', { follow: true })).toBe('at last\n')
    })

    it('a signal ends following, and so does what the listener throws', async () => {
      await box('endless', ['sh', '-c', 'while true; do echo tick; sleep 0.05; done'])
      const abort = new AbortController()
      const error = await failureOf(DockerError, adapter.streamLogs('endless', () => { abort.abort() }, { follow: true, signal: abort.signal }))
      expect(causeOf(error)).toBe('ABORT_ERR')
      const thrown = new Error('enough')
      expect((await failureOf(DockerError, adapter.streamLogs('endless', () => { throw thrown }, { follow: true }))).originalError).toBe(thrown)
    })
  })

  describe('networks and volumes', () => {
    it('created, listed, removed; created twice is once', async () => {
      await adapter.createNetwork('net-a', { internal: true, subnet: '10.99.7.0/24', gateway: '10.99.7.1' })
      await adapter.createNetwork('net-a')
      expect((await adapter.listNetworks()).filter((name) => name === 'net-a')).toEqual(['net-a'])
      await adapter.removeNetwork('net-a')
      expect(await adapter.listNetworks()).not.toContain('net-a')
      expect(causeOf(await failureOf(DockerError, adapter.removeNetwork('net-a')))).toBe('ENONETWORK')
    })

    it('a volume keeps what one container wrote for the next', async () => {
      await adapter.createVolume('vol-a', { labels: { for: 'tests' } })
      await adapter.createVolume('vol-b', { driverOpts: {} })
      expect((await adapter.listVolumes()).sort()).toEqual(['vol-a', 'vol-b'])
      for (const line of ['echo kept > /v/file', 'cat /v/file']) {
        const result = await adapter.execute({ command: line, adapterOptions: Object.assign({ type: 'docker' }, { image: engine.image, network: 'none', volumes: ['vol-a:/v'] }) })
        if (line.startsWith('cat')) expect(result.stdout).toBe('kept\n')
      }
      await adapter.removeVolume('vol-a')
      await adapter.removeVolume('vol-b', true)
      expect(await adapter.listVolumes()).toEqual([])
      expect(causeOf(await failureOf(DockerError, adapter.removeVolume('vol-a')))).toBe('ENOVOLUME')
    })
  })

  describe('images', () => {
    let context: string

    beforeEach(() => { context = mkdtempSync(join(tmpdir(), 'xec-context-')) })
    afterEach(() => { rmSync(context, { recursive: true, force: true }) })

    const write = (files: Record<string, string>): void => {
      for (const [name, content] of Object.entries(files)) writeFileSync(join(context, name), content)
    }

    it('tag, list, remove', async () => {
      await adapter.tagImage(engine.image, 'mine/tool:1.2')
      expect(await adapter.listImages('mine/')).toEqual([expect.stringMatching(/mine\/tool:1\.2$/)])
      expect((await adapter.listImages()).length).toBeGreaterThan(1)
      expect(await adapter.listImages('dangling=true')).toEqual([])
      await adapter.removeImage('mine/tool:1.2')
      expect(await adapter.listImages('mine/')).toEqual([])
      expect(causeOf(await failureOf(DockerError, adapter.removeImage('mine/tool:1.2')))).toBe('ENOIMAGE')
      expect(causeOf(await failureOf(DockerError, adapter.tagImage('none:1', 'x:1')))).toBe('ENOIMAGE')
    })

    it('build: arguments, target, labels, what .dockerignore leaves out, output', async () => {
      write({
        'Dockerfile': `FROM ${engine.image} AS first\nARG WHO\nCOPY . /w/\nRUN echo "hello $WHO" > /greeting\nFROM first AS second\nRUN touch /second\n`,
        '.dockerignore': '*.log\n!keep.log\n', 'a.txt': 'a', 'b.log': 'b', 'keep.log': 'k',
      })
      let output = ''
      const id = await adapter.buildImage({
        tag: 'built:1', context, buildArgs: { WHO: 'world' }, target: 'first', labels: { by: 'test' }, onOutput: (text) => { output += text },
      })
      expect(id).toMatch(/^(sha256:)?[0-9a-f]{12,}/)
      expect(output).toMatch(/STEP|Step/)
      const result = await adapter.execute({ command: 'cat /greeting; ls /w; ls /second', nothrow: true, adapterOptions: Object.assign({ type: 'docker' }, { image: 'built:1', network: 'none' }) })
      expect(result.stdout).toMatch(/^hello world\n(Dockerfile\n)?a\.txt\nkeep\.log\n$/)
      await adapter.removeImage('built:1', true)
    })

    it('build: a Dockerfile from elsewhere, one that fails, one that is missing', async () => {
      const elsewhere = mkdtempSync(join(tmpdir(), 'xec-elsewhere-'))
      writeFileSync(join(elsewhere, 'Other'), `FROM ${engine.image}\nCOPY a.txt /a\n`)
      write({ 'a.txt': 'a', 'Failing': `FROM ${engine.image}\nRUN exit 7\n` })
      await adapter.buildImage({ tag: 'other:1', context, dockerfile: join(elsewhere, 'Other') })
      await adapter.removeImage('other:1', true)
      rmSync(elsewhere, { recursive: true })
      const failed = await failureOf(DockerError, adapter.buildImage({ tag: 'x:1', context, dockerfile: 'Failing' }))
      expect([causeOf(failed), failed.kind]).toEqual(['EBUILD', 'command-failed'])
      expect(causeOf(await failureOf(DockerError, adapter.buildImage({ tag: 'x:1', context })))).toBe('EINVAL_OPTION')
      write({ 'Dockerfile': `FROM ${engine.image}`, '.dockerignore': '[' })
      expect((await failureOf(DockerError, adapter.buildImage({ tag: 'x:1', context }))).message).toContain('.dockerignore')
    })

    it('a build that is aborted ends', async () => {
      write({ Dockerfile: `FROM ${engine.image}\nRUN echo begun; sleep 1000\n` })
      const abort = new AbortController()
      const building = adapter.buildImage({ tag: 'x:1', context, signal: abort.signal, onOutput: (text) => { if (text.includes('sleep')) abort.abort() } })
      expect(causeOf(await failureOf(DockerError, building))).toBe('ABORT_ERR')
    })
  })
})
