import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DockerAdapter, DockerError } from '../support/native'
import { Dockerd, type PrivateEngine } from '../support/dockerd'
import { causeOf, failureOf } from '../support/failure-of'
import { sha256 } from '../support/files'
import { Podman } from '../support/podman'

describe.each([{ Engine: Dockerd }, { Engine: Podman }])('$Engine.name', ({ Engine }) => {
  let engine: PrivateEngine
  let adapter: DockerAdapter
  let folder: string

  beforeAll(async () => {
    engine = await Engine.start()
    await engine.container({ name: 'box' })
    adapter = new DockerAdapter({ socketPath: engine.socketPath })
  })
  afterAll(async () => {
    await adapter.dispose()
    await engine.stop()
  })
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'xec-copy-'))
    await sh('rm -rf /w; mkdir /w')
  })
  afterEach(() => { rmSync(folder, { recursive: true, force: true }) })

  const sh = (command: string): Promise<string> =>
    adapter.execute({ command, adapterOptions: Object.assign({ type: 'docker' }, { container: 'box' }) }).then(({ stdout }) => stdout)

  const here = (...names: string[]): string => join(folder, ...names)

  /** A tree with what trees have. */
  function plant(): string {
    const root = here('tree')
    mkdirSync(join(root, 'deep/er'), { recursive: true })
    mkdirSync(join(root, 'empty'))
    writeFileSync(join(root, 'deep/er/file'), 'content')
    writeFileSync(join(root, '.hidden'), '')
    writeFileSync(join(root, `name with 'quotes' and ü`), 'x')
    writeFileSync(join(root, 'run.sh'), '#!/bin/sh\necho runs\n')
    chmodSync(join(root, 'run.sh'), 0o751)
    symlinkSync('run.sh', join(root, 'link'))
    utimesSync(join(root, 'run.sh'), 1_000_000_000, 1_000_000_000)
    return root
  }

  it('a tree goes in and comes back as it was', async () => {
    const root = plant()
    const sent = await adapter.copyToContainer(root, 'box', '/w/new')
    expect(sent).toEqual({ files: 4, directories: 4, links: 1, bytes: 28, skipped: [], skippedCount: 0 })
    expect(await sh('cd /w/new; stat -c "%a %U %Y" run.sh; ./link; cat deep/er/file; find . -mindepth 1 -maxdepth 1 | sort')).toBe(
      `751 root 1000000000\nruns\ncontent./.hidden\n./deep\n./empty\n./link\n./name with 'quotes' and ü\n./run.sh\n`)
    const back = await adapter.copyFromContainer('box', '/w/new', here('back'))
    expect(back).toEqual(sent)
    expect(readdirSync(here('back')).sort()).toEqual(readdirSync(root).sort())
    expect(readFileSync(here('back/deep/er/file'), 'utf8')).toBe('content')
    expect(readlinkSync(here('back/link'))).toBe('run.sh')
    expect(statSync(here('back/run.sh')).mode & 0o7777).toBe(0o751)
    expect(statSync(here('back/run.sh')).mtimeMs).toBe(1_000_000_000_000)
  })

  it('names in the container, by docker cp\'s rules', async () => {
    const root = plant()
    await adapter.copyToContainer(root, 'box', '/w')
    await adapter.copyToContainer(`${root}/.`, 'box', '/w')
    await adapter.copyToContainer(join(root, 'run.sh'), 'box', '/w/other.sh')
    await adapter.copyToContainer(join(root, 'run.sh'), 'box', '/w/tree/')
    await sh('ln -s /w/tree /w/way')
    await adapter.copyToContainer(join(root, '.hidden'), 'box', '/w/way')
    expect(await sh('ls -d /w/tree/run.sh /w/run.sh /w/other.sh /w/tree/.hidden')).toBe('/w/other.sh\n/w/run.sh\n/w/tree/.hidden\n/w/tree/run.sh\n')
    expect(causeOf(await failureOf(DockerError, adapter.copyToContainer(root, 'box', '/w/other.sh')))).toBe('EINVAL')
    expect(causeOf(await failureOf(DockerError, adapter.copyToContainer(join(root, 'run.sh'), 'box', '/w/none/')))).toBe('EINVAL')
    expect(causeOf(await failureOf(DockerError, adapter.copyToContainer(here('none'), 'box', '/w')))).toBe('ENOENT')
    expect(causeOf(await failureOf(DockerError, adapter.copyToContainer(root, 'missing', '/w')))).toBe('ENOCONTAINER')
  })

  it('names here, by docker cp\'s rules', async () => {
    await sh('mkdir -p /w/d/sub; echo a > /w/d/a; echo b > /w/d/sub/b')
    mkdirSync(here('dir'))
    writeFileSync(here('file'), 'old')
    await adapter.copyFromContainer('box', '/w/d/a', here('dir'))
    await adapter.copyFromContainer('box', '/w/d/a', here('file'))
    await adapter.copyFromContainer('box', '/w/d/a', here('fresh'))
    await adapter.copyFromContainer('box', '/w/d', here('dir'))
    await adapter.copyFromContainer('box', '/w/d/sub/.', here('dir'))
    expect(readdirSync(here('dir')).sort()).toEqual(['a', 'b', 'd'])
    expect(readFileSync(here('dir/d/sub/b'), 'utf8')).toBe('b\n')
    expect([readFileSync(here('file'), 'utf8'), readFileSync(here('fresh'), 'utf8')]).toEqual(['a\n', 'a\n'])
    expect(causeOf(await failureOf(DockerError, adapter.copyFromContainer('box', '/w/d', here('file'))))).toBe('EINVAL')
    expect(causeOf(await failureOf(DockerError, adapter.copyFromContainer('box', '/w/none', here('x'))))).toBe('ENOENT')
    expect(causeOf(await failureOf(DockerError, adapter.copyFromContainer('box', '/w/d/a', here('none/x'))))).toBe('ENOENT')
    expect(causeOf(await failureOf(DockerError, adapter.copyFromContainer('missing', '/w', here('x'))))).toBe('ENOCONTAINER')
    expect(causeOf(await failureOf(DockerError, adapter.copyFromContainer('box', '/', here('x'))))).toBe('EINVAL_OPTION')
  })

  it('a link that leads out is refused, or kept when it shall be; it is never followed', async () => {
    writeFileSync(here('secret'), 'ours')
    await sh('mkdir /w/evil; ln -s /etc /w/evil/out; ln -s ../secret /w/evil/up')
    const error = await failureOf(DockerError, adapter.copyFromContainer('box', '/w/evil', here('in')))
    expect(causeOf(error)).toBe('EARCHIVE')
    expect(error.message).toContain('leads out')
    await adapter.copyFromContainer('box', '/w/evil', here('kept'), { outsideLinks: 'keep' })
    expect(readlinkSync(here('kept/out'))).toBe('/etc')
    await sh('rm /w/evil/up; echo theirs > /w/evil/up')
    await adapter.copyFromContainer('box', '/w/evil/.', here('kept'), { outsideLinks: 'keep' })
    expect(lstatSync(here('kept/up')).isFile()).toBe(true)
    expect(readFileSync(here('secret'), 'utf8')).toBe('ours')
  })

  it('pipes and devices are skipped and named; setuid is not kept', async () => {
    await sh('mkdir /w/odd; mkfifo /w/odd/pipe; echo x > /w/odd/tool; chmod 4755 /w/odd/tool')
    const report = await adapter.copyFromContainer('box', '/w/odd', here('odd'))
    expect(report).toMatchObject({ files: 1, skipped: ['odd/pipe'], skippedCount: 1 })
    expect(statSync(here('odd/tool')).mode & 0o7777).toBe(0o755)
  })

  it('64 MiB both ways, the same bytes, and progress', async () => {
    execFileSync('dd', ['if=/dev/urandom', `of=${here('big')}`, 'bs=1M', 'count=64', 'status=none'])
    const steps: number[] = []
    await adapter.copyToContainer(here('big'), 'box', '/w/big', { onProgress: (transferred) => { steps.push(transferred) } })
    expect(steps.length).toBeGreaterThan(100)
    expect(steps.at(-1)).toBeGreaterThan(64 * 1024 * 1024)
    await adapter.copyFromContainer('box', '/w/big', here('back'))
    expect(await sha256(here('back'))).toBe(await sha256(here('big')))
  })

  it('an abort ends it, and the next copy works', async () => {
    execFileSync('dd', ['if=/dev/zero', `of=${here('big')}`, 'bs=1M', 'count=64', 'status=none'])
    for (const way of ['in', 'out']) {
      const abort = new AbortController()
      const options = { signal: abort.signal, onProgress: () => { abort.abort(new Error('enough')) } }
      const copying = way === 'in' ? adapter.copyToContainer(here('big'), 'box', '/w/big', options) : adapter.copyFromContainer('box', '/bin', here('bin'), options)
      expect(causeOf(await failureOf(DockerError, copying))).toBe('ABORT_ERR')
    }
    await adapter.copyFromContainer('box', '/bin', here('whole'))
    expect(existsSync(here('whole/busybox'))).toBe(true)
    expect((await failureOf(DockerError, adapter.copyFromContainer('box', '/bin', here('late'), { timeout: 1 }))).kind).toBe('timeout')
  })
})
