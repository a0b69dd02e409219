import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, readFileSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest'
import { Folders, sha256 } from '../support/files'
import { failureOf } from '../support/failure'
import { type SFTP, SSHConnectionPool, type TransferProgress } from '../support/native'
import { OpenSSHServer } from '../support/openssh'

describe.each([
  ['OpenSSH sftp-server', '/usr/lib/openssh/sftp-server'],
  ['OpenSSH internal-sftp', 'internal-sftp'],
])('files, %s', (_name, program) => {
  let server: OpenSSHServer
  let pool: SSHConnectionPool
  let sftp: SFTP
  let folders: Folders

  beforeAll(async () => {
    server = await OpenSSHServer.start({ sftp: program })
    pool = new SSHConnectionPool()
    sftp = await pool.sftp(server.target())
  })

  afterAll(async () => {
    await sftp.close()
    await pool.dispose()
    await server.stop()
  })

  beforeEach(() => { folders = new Folders() })
  afterEach(() => { folders.remove() })

  it('moves 256 MiB there and back, every byte', async () => {
    const size = 256 * 1024 * 1024
    const source = folders.here('big')
    execFileSync('sh', ['-c', `head -c ${size} /dev/urandom > "$0"`, source])
    expect(await sftp.upload(source, folders.there('big'))).toEqual({ bytes: size })
    expect(await sftp.download(folders.there('big'), folders.here('back'))).toEqual({ bytes: size })
    const [sent, there, back] = await Promise.all([source, folders.there('big'), folders.here('back')].map(sha256))
    expect([there, back]).toEqual([sent, sent])
  })

  it.each([0, 1, 32_767, 32_768, 261_119, 261_120, 261_121, 1_000_003])('moves a file of %i bytes', async (size) => {
    folders.write('file', size)
    await sftp.upload(folders.here('file'), folders.there('file'))
    await sftp.download(folders.there('file'), folders.here('back'))
    expect(readFileSync(folders.here('back')).equals(readFileSync(folders.here('file')))).toBe(true)
    expect(readFileSync(folders.there('file')).equals(readFileSync(folders.here('file')))).toBe(true)
  })

  it('reads files that show no size to their end', async () => {
    await sftp.download('/proc/meminfo', folders.here('meminfo'))
    expect(readFileSync(folders.here('meminfo'), 'utf8')).toMatch(/^MemTotal:[^]*DirectMap/)
  })

  it('moves many files at the same time over one session', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `file-${index}`)
    for (const name of names) folders.write(name, 300_000)
    await Promise.all(names.map((name) => sftp.upload(folders.here(name), folders.there(name))))
    await Promise.all(names.map((name) => sftp.download(folders.there(name), folders.here(`${name}-back`))))
    for (const name of names) {
      expect(readFileSync(folders.here(`${name}-back`)).equals(readFileSync(folders.here(name)))).toBe(true)
    }
  })

  it('replaces what is there, and leaves nothing of a longer file', async () => {
    writeFileSync(folders.here('back'), 'x'.repeat(1000))
    await sftp.writeFile(folders.there('file'), 'y'.repeat(1000))
    await sftp.upload(folders.write('file', 'short'), folders.there('file'))
    await sftp.download(folders.there('file'), folders.here('back'))
    expect([readFileSync(folders.there('file'), 'utf8'), readFileSync(folders.here('back'), 'utf8')]).toEqual(['short', 'short'])
  })

  it('gives a new file the mode it has at home, and with preserve also its times', async () => {
    chmodSync(folders.write('script', '#!/bin/sh'), 0o755)
    utimesSync(folders.here('script'), 1_000_000_000, 1_200_000_000)
    await sftp.upload(folders.here('script'), folders.there('plain'))
    expect(statSync(folders.there('plain')).mode & 0o777).toBe(0o755)
    await sftp.upload(folders.here('script'), folders.there('kept'), { preserve: true })
    expect(statSync(folders.there('kept')).mtimeMs).toBe(1_200_000_000_000)
    await sftp.upload(folders.here('script'), folders.there('given'), { mode: 0o600 })
    expect(statSync(folders.there('given')).mode & 0o777).toBe(0o600)
    await sftp.download(folders.there('kept'), folders.here('back'), { preserve: true })
    expect(statSync(folders.here('back'))).toMatchObject({ mtimeMs: 1_200_000_000_000, mode: 0o100_755 })
  })

  it('makes missing directories only when asked to', async () => {
    folders.write('file', 'words')
    const deep = folders.there('a/b c/d')
    expect(await failureOf(sftp.upload(folders.here('file'), `${deep}/file`))).toMatchObject({ code: 'ENOENT', path: `${deep}/file` })
    await sftp.upload(folders.here('file'), `${deep}/file`, { parents: true })
    expect(readFileSync(`${deep}/file`, 'utf8')).toBe('words')
  })

  it('an atomic transfer replaces a file in one step and leaves nothing beside it', async () => {
    folders.write('file', 'new')
    writeFileSync(folders.here('back'), 'old')
    await sftp.writeFile(folders.there('file'), 'old')
    const before = statSync(folders.there('file')).ino
    await sftp.upload(folders.here('file'), folders.there('file'), { atomic: true })
    await sftp.download(folders.there('file'), folders.here('back'), { atomic: true })
    expect(statSync(folders.there('file')).ino).not.toBe(before)
    expect([readFileSync(folders.there('file'), 'utf8'), readFileSync(folders.here('back'), 'utf8')]).toEqual(['new', 'new'])
    expect([readdirSync(folders.remote), readdirSync(folders.local)]).toEqual([['file'], ['back', 'file']])
  })

  it('without atomic it writes through a link, with atomic in its place', async () => {
    folders.write('file', 'new')
    await sftp.writeFile(folders.there('target'), 'old')
    await sftp.symlink('target', folders.there('link'))
    await sftp.upload(folders.here('file'), folders.there('link'))
    expect([readFileSync(folders.there('target'), 'utf8'), lstatSync(folders.there('link')).isSymbolicLink()]).toEqual(['new', true])
    await sftp.upload(folders.here('file'), folders.there('link'), { atomic: true })
    expect(lstatSync(folders.there('link')).isSymbolicLink()).toBe(false)
  })

  it('tells about progress now and then, and always at the end', async () => {
    const size = 64 * 1024 * 1024
    execFileSync('truncate', ['-s', String(size), folders.here('big')])
    const seen: TransferProgress[] = []
    const began = performance.now()
    await sftp.upload(folders.here('big'), folders.there('big'), { onProgress: (progress) => seen.push(progress) })
    const tenths = (performance.now() - began) / 100
    expect(seen.at(-1)).toEqual({ transferred: size, total: size, files: 1, failed: 0 })
    expect(seen.length).toBeLessThanOrEqual(tenths + 2)
    const amounts = seen.map(({ transferred }) => transferred)
    expect(amounts).toEqual([...amounts].sort((a, b) => a - b))
  })

  it('a progress callback that throws ends the transfer with its error', async () => {
    folders.write('file', 5_000_000)
    const upload = sftp.upload(folders.here('file'), folders.there('file'), { onProgress: () => { throw new Error('from a callback') } })
    await expect(upload).rejects.toThrow('from a callback')
    await sftp.stat('.')
  })

  it('goes on where an earlier transfer ended', async () => {
    folders.write('file', 3_000_000)
    const whole = readFileSync(folders.here('file'))
    await sftp.writeFile(folders.there('file'), whole.subarray(0, 1_234_567))
    expect(await sftp.upload(folders.here('file'), folders.there('file'), { resume: true })).toEqual({ bytes: 3_000_000 - 1_234_567 })
    writeFileSync(folders.here('back'), whole.subarray(0, 999))
    const seen: TransferProgress[] = []
    const download = sftp.download(folders.there('file'), folders.here('back'), { resume: true, onProgress: (progress) => seen.push(progress) })
    expect(await download).toEqual({ bytes: 3_000_000 - 999 })
    expect(seen.at(-1)).toMatchObject({ transferred: 3_000_000, total: 3_000_000 })
    expect(readFileSync(folders.there('file')).equals(whole) && readFileSync(folders.here('back')).equals(whole)).toBe(true)
    expect(await sftp.upload(folders.here('file'), folders.there('file'), { resume: true })).toEqual({ bytes: 0 })
    expect(await sftp.download(folders.there('file'), folders.here('new'), { resume: true })).toEqual({ bytes: 3_000_000 })
  })

  it('does not resume a file that is longer than its source', async () => {
    folders.write('file', 'short')
    await sftp.writeFile(folders.there('file'), 'longer than that')
    expect(await failureOf(sftp.upload(folders.here('file'), folders.there('file'), { resume: true })))
      .toMatchObject({ code: 'ERESUME', kind: 'invalid-usage', path: folders.there('file') })
    expect(await failureOf(sftp.download(folders.there('file'), folders.write('local', 'x'.repeat(99)), { resume: true })))
      .toMatchObject({ code: 'ERESUME', path: folders.here('local') })
    expect(readFileSync(folders.there('file'), 'utf8')).toBe('longer than that')
  })

  it('stat, lstat, readdir, mkdir, rename, chmod, links, realpath, remove', async () => {
    const path = folders.there('dir')
    await sftp.mkdir(path)
    await sftp.writeFile(`${path}/.hidden`, 'h')
    await sftp.writeFile(`${path}/file`, 'grüße')
    await sftp.symlink('file', `${path}/link`)
    expect((await sftp.readdir(path)).map(({ name, type }) => `${name} ${type}`).sort()).toEqual(['.hidden file', 'file file', 'link symlink'])
    expect(await sftp.stat(`${path}/link`)).toMatchObject({ type: 'file', size: 7 })
    expect((await sftp.lstat(`${path}/link`)).isSymbolicLink()).toBe(true)
    expect(await sftp.readlink(`${path}/link`)).toBe('file')
    expect(await sftp.realpath(`${path}/../dir/link`)).toBe(`${path}/file`)
    await sftp.chmod(`${path}/file`, 0o640)
    await sftp.utimes(`${path}/file`, new Date(1e12), new Date(2e12))
    expect(await sftp.stat(`${path}/file`)).toMatchObject({ mode: 0o100_640, atime: new Date(1e12), mtime: new Date(2e12) })
    await sftp.rename(`${path}/file`, `${path}/renamed`)
    expect(await failureOf(sftp.rename(`${path}/renamed`, `${path}/.hidden`))).toMatchObject({ code: 'EEXIST', path: `${path}/renamed` })
    await sftp.rename(`${path}/renamed`, `${path}/.hidden`, { overwrite: true })
    expect(await sftp.readFile(`${path}/.hidden`, 'utf8')).toBe('grüße')
    expect([await sftp.exists(`${path}/.hidden`), await sftp.exists(`${path}/link`)]).toEqual([true, false])
    await sftp.remove(`${path}/.hidden`)
    await sftp.remove(`${path}/link`)
    await sftp.rmdir(path)
    expect(existsSync(path)).toBe(false)
  })

  it('removes a tree, and never what a link in it points to', async () => {
    await sftp.mkdir(folders.there('tree/a/b'), { recursive: true })
    await sftp.mkdir(folders.there('tree/a/b'), { recursive: true })
    await sftp.writeFile(folders.there('tree/a/file'), 'x')
    await sftp.writeFile(folders.there('kept'), 'x')
    symlinkSync(folders.remote, folders.there('tree/a/up'))
    await sftp.rmdir(folders.there('tree'), { recursive: true })
    expect(readdirSync(folders.remote)).toEqual(['kept'])
  })

  it('begins in the home directory, which ~ is too', async () => {
    const home = await sftp.realpath('~')
    expect(await sftp.realpath('.')).toBe(home)
    expect(await sftp.realpath('~/x')).toBe(`${home}/x`)
  })
})
