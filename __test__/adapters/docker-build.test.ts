import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { DockerAdapter, DockerError, type DockerProgress } from '../support/native'
import { Dockerd } from '../support/dockerd'
import { causeOf, failureOf } from '../support/failure-of'
import { Podman } from '../support/podman'
import { LOGIN, Registry } from '../support/registry'
import { until } from '../support/wait'

let context: string
let adapter: DockerAdapter

const write = (files: Record<string, string>): void => {
  for (const [name, content] of Object.entries(files)) writeFileSync(join(context, name), content)
}

/** The test bed's daemon has no bridge. */
const network = 'none'

const saidBy = async (image: string, command: string): Promise<string> =>
  (await adapter.execute({ command, adapterOptions: Object.assign({ type: 'docker' }, { image, network }) })).stdout

/** An empty one counts as none. */
async function withVariable(name: string, value: string, work: () => Promise<void>): Promise<void> {
  vi.stubEnv(name, value)
  try {
    await work()
  } finally {
    vi.unstubAllEnvs()
  }
}

/** By the kernel's account: what a build runs is in no container that the API knows. */
const runs = (word: string): boolean => readdirSync('/proc').some((pid) => {
  const file = `/proc/${pid}/cmdline`
  try {
    return /^\d+$/.test(pid) && existsSync(file) && readFileSync(file, 'utf8').split('\0').includes(word)
  } catch {
    // It has just ended.
    return false
  }
})

beforeEach(() => { context = mkdtempSync(join(tmpdir(), 'xec-build-')) })
afterEach(async () => {
  await adapter.dispose()
  rmSync(context, { recursive: true, force: true })
})

describe('a dockerd that prefers BuildKit', () => {
  let engine: Dockerd

  beforeAll(async () => { engine = await Dockerd.start({ config: { features: { buildkit: true } } }) })
  afterAll(async () => { await engine.stop() })
  beforeEach(() => { adapter = new DockerAdapter({ socketPath: engine.socketPath }) })

  it('builds by it: arguments, target, labels, what .dockerignore leaves out, steps as they come', async () => {
    write({
      'Dockerfile': `FROM ${engine.image} AS first\nARG WHO\nCOPY . /w/\nRUN echo "hello $WHO" > /greeting; printf 'one\\ntwo'; echo aside >&2\nFROM first AS second\nRUN touch /second\n`,
      '.dockerignore': '*.log\n!keep.log\n', 'a.txt': 'a', 'b.log': 'b', 'keep.log': 'k',
    })
    const options = { tag: 'kit:1', context, network, buildArgs: { WHO: 'world' }, target: 'first', labels: { by: 'test' } }
    let output = ''
    const progress: DockerProgress[] = []
    const id = await adapter.buildImage({ ...options, onOutput: (text) => { output += text }, onProgress: (step) => { progress.push(step) } })
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/)
    const [, step] = /^(#\d+) \[first 3\/3\] RUN /m.exec(output) ?? []
    expect(output.split('\n')).toEqual(expect.arrayContaining([`${step} one`, `${step} two`, `${step} aside`, expect.stringMatching(new RegExp(`^${step} DONE \\d+\\.\\ds$`))]))
    expect(progress.filter((one) => one.id === step).map(({ status }) => status)).toEqual([expect.stringContaining('RUN'), expect.stringContaining('DONE')])
    expect(await saidBy('kit:1', 'cat /greeting; ls /w; ls /second 2>/dev/null || true')).toMatch(/^hello world\n(Dockerfile\n)?a\.txt\nkeep\.log\n$/)
    expect((await engine.call('GET', '/images/kit:1/json')).body).toMatchObject({ Id: id, Config: { Labels: { by: 'test' } } })

    output = ''
    expect(await adapter.buildImage({ ...options, onOutput: (text) => { output += text } })).toBe(id)
    expect(output.match(/^#\d+ CACHED$/gm)?.length).toBeGreaterThanOrEqual(2)
    await adapter.removeImage('kit:1', true)
  })

  it('secrets reach the step that names them, and no layer', async () => {
    write({ Dockerfile: `FROM ${engine.image}\nRUN --mount=type=secret,id=token wc -c < /run/secrets/token > /size\n` })
    await adapter.buildImage({ tag: 'kit:2', context, network, secrets: { token: 'hush-hush' } })
    expect(await saidBy('kit:2', 'cat /size; ls /run/secrets 2>/dev/null || true')).toMatch(/^9\n/)
    await adapter.removeImage('kit:2', true)
    write({ Dockerfile: `FROM ${engine.image}\nRUN --mount=type=secret,id=other,required=true true\n` })
    expect(causeOf(await failureOf(DockerError, adapter.buildImage({ tag: 'kit:2', context, network, secrets: { token: 'x' } })))).toBe('EBUILD')
    expect(causeOf(await failureOf(DockerError, adapter.buildImage({ tag: 'kit:2', context, builder: 'classic', secrets: { token: 'x' } })))).toBe('EINVAL_OPTION')
  })

  it('a step that fails', async () => {
    write({ Dockerfile: `FROM ${engine.image}\nRUN echo before; exit 7\n` })
    let output = ''
    const failed = await failureOf(DockerError, adapter.buildImage({ tag: 'kit:3', context, network, onOutput: (text) => { output += text } }))
    expect([causeOf(failed), failed.kind]).toEqual(['EBUILD', 'command-failed'])
    expect(failed.message).toContain('exit code: 7')
    expect(output).toMatch(/^#\d+ before\n#\d+ ERROR: .*exit code: 7$/m)
    write({ Dockerfile: 'NONSENSE\n' })
    expect(causeOf(await failureOf(DockerError, adapter.buildImage({ tag: 'kit:3', context })))).toBe('EBUILD')
  })

  it.each(['abort', 'timeout'])('%s ends what it runs', async (how) => {
    const word = how === 'abort' ? '48151' : '48152'
    write({ Dockerfile: `FROM ${engine.image}\nRUN sleep ${word}\n` })
    const abort = new AbortController()
    const building = failureOf(DockerError, adapter.buildImage({ tag: 'kit:4', context, network, signal: abort.signal, ...(how === 'timeout' ? { timeout: 4_000 } : {}) }))
    await until('the step runs', () => runs(word))
    if (how === 'abort') abort.abort()
    expect(causeOf(await building)).toBe(how === 'abort' ? 'ABORT_ERR' : 'ETIMEDOUT')
    await until('the step is gone', () => !runs(word))
  })

  it('logs in at a registry when it is asked to', async () => {
    const registry = await Registry.start()
    const image = `${registry.name}/base:1`
    const auth = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64')
    try {
      await adapter.tagImage(engine.image, image)
      await adapter.pushImage(image, { auth: LOGIN })
      await adapter.removeImage(image)
      write({ Dockerfile: `FROM ${image}\nCOPY Dockerfile /from-there\n` })
      await withVariable('DOCKER_CONFIG', context, async () => {
        const refused = await failureOf(DockerError, adapter.buildImage({ tag: 'kit:5', context }))
        expect([causeOf(refused), refused.kind]).toEqual(['EUNAUTHORIZED', 'authentication'])
        write({ 'config.json': JSON.stringify({ auths: { [registry.name]: { auth } } }), '.dockerignore': 'config.json\n' })
        await adapter.buildImage({ tag: 'kit:5', context })
      })
      expect(await saidBy('kit:5', 'cat /from-there')).toContain(image)
      await adapter.removeImage('kit:5', true)
    } finally {
      await registry.stop()
    }
  })

  it('the option and the variable win over what it prefers', async () => {
    write({ Dockerfile: `FROM ${engine.image}\nCOPY Dockerfile /\n` })
    const printed = async (options: object): Promise<string> => {
      let output = ''
      await adapter.buildImage({ tag: 'kit:6', context, ...options, onOutput: (text) => { output += text } })
      return output
    }
    expect(await printed({ builder: 'classic' })).toMatch(/^Step 1\/2/)
    await withVariable('DOCKER_BUILDKIT', '0', async () => { expect(await printed({})).toMatch(/^Step 1\/2/) })
    await withVariable('DOCKER_BUILDKIT', '0', async () => { expect(await printed({ builder: 'buildkit' })).toMatch(/^#1 /) })
    await withVariable('DOCKER_BUILDKIT', 'perhaps', async () => {
      expect(causeOf(await failureOf(DockerError, adapter.buildImage({ tag: 'kit:6', context })))).toBe('EINVAL_OPTION')
    })
    expect(causeOf(await failureOf(DockerError, adapter.buildImage({ tag: 'kit:6', context, builder: 'kaniko' as 'classic' })))).toBe('EINVAL_OPTION')
    await adapter.removeImage('kit:6', true)
  })

  it('builds what the CLI builds, to the same layers', async () => {
    write({ 'Dockerfile': `FROM ${engine.image}\nCOPY a.txt /a/\n`, 'a.txt': 'the same' })
    await adapter.buildImage({ tag: 'kit:7', context })
    execFileSync('docker', ['--host', engine.url, 'build', '--quiet', '--tag', 'cli:7', context], { env: { ...process.env, DOCKER_BUILDKIT: '0' }, stdio: 'pipe' })
    const files = (image: string): Promise<string> => saidBy(image, 'ls -lR /a; cat /a/a.txt')
    expect(await files('kit:7')).toBe(await files('cli:7'))
    await adapter.removeImage('kit:7', true)
    await adapter.removeImage('cli:7', true)
  })
})

describe('podman, which has no BuildKit', () => {
  let engine: Podman

  beforeAll(async () => { engine = await Podman.start() })
  afterAll(async () => { await engine.stop() })
  beforeEach(() => { adapter = new DockerAdapter({ socketPath: engine.socketPath }) })

  it('builds classically whatever the variable says, and says so where it was asked for', async () => {
    write({ Dockerfile: `FROM ${engine.image}\nCOPY Dockerfile /\n` })
    await withVariable('DOCKER_BUILDKIT', '1', async () => { await adapter.buildImage({ tag: 'pod:1', context }) })
    await adapter.removeImage('pod:1', true)
    const refused = await failureOf(DockerError, adapter.buildImage({ tag: 'pod:1', context, builder: 'buildkit' }))
    expect([causeOf(refused), refused.kind]).toEqual(['ENOBUILDKIT', 'invalid-usage'])
  })
})
