import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Folders, sha256 } from '../support/files'
import { failureOf } from '../support/failure'
import { type SFTP, SSHConnectionPool, type SSHTarget } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { PythonServer } from '../support/python-servers'

interface Server {
  target(): SSHTarget
  stop(): Promise<void>
}

/** What holds with every server. The others know none of OpenSSH's extensions, and answer in an order of their own. */
describe.each<[string, () => Promise<Server>]>([
  ['OpenSSH', () => OpenSSHServer.start()],
  ['asyncssh', () => PythonServer.start('asyncssh')],
  ['paramiko', () => PythonServer.start('paramiko')],
])('files with %s', (_name, start) => {
  let server: Server
  let pool: SSHConnectionPool
  let sftp: SFTP
  let folders: Folders

  beforeAll(async () => {
    server = await start()
    pool = new SSHConnectionPool()
    sftp = await pool.sftp(server.target())
  })

  afterAll(async () => {
    await sftp.close()
    expect(pool.getConnections().map(({ channels }) => channels)).toEqual([0])
    await pool.dispose()
    await server.stop()
  })

  beforeEach(() => { folders = new Folders() })
  afterEach(() => { folders.remove() })

  it('a large file there and back', async () => {
    execFileSync('sh', ['-c', 'head -c 20000000 /dev/urandom > "$0"', folders.here('big')])
    await sftp.upload(folders.here('big'), folders.there('big'))
    await sftp.download(folders.there('big'), folders.here('back'))
    const [sent, there, back] = await Promise.all([folders.here('big'), folders.there('big'), folders.here('back')].map(sha256))
    expect([there, back]).toEqual([sent, sent])
  })

  it('resumes, and replaces atomically', async () => {
    const whole = readFileSync(folders.write('file', 500_000))
    await sftp.writeFile(folders.there('file'), whole.subarray(0, 123_456))
    expect(await sftp.upload(folders.here('file'), folders.there('file'), { resume: true })).toEqual({ bytes: 500_000 - 123_456 })
    expect(readFileSync(folders.there('file')).equals(whole)).toBe(true)
    await sftp.upload(folders.write('file', 'new'), folders.there('file'), { atomic: true })
    expect([readFileSync(folders.there('file'), 'utf8'), readdirSync(folders.remote)]).toEqual(['new', ['file']])
  })

  it('a tree there and back', async () => {
    mkdirSync(folders.here('src/a/empty'), { recursive: true })
    for (let index = 0; index < 100; index += 1) writeFileSync(folders.here(`src/a/.f${index}`), 'x'.repeat(index * 100))
    symlinkSync('a', folders.here('src/link'))
    const options = { symlinks: 'recreate' } as const
    const expected = { files: 100, directories: 3, symlinks: 1, bytes: 495_000, failed: [] }
    expect(await sftp.uploadDirectory(folders.here('src'), folders.there('dst'), options)).toEqual(expected)
    expect(await sftp.downloadDirectory(folders.there('dst'), folders.here('back'), options)).toEqual(expected)
    expect(execFileSync('diff', ['-r', folders.here('src'), folders.here('back')]).toString()).toBe('')
  })

  it('streams', async () => {
    const content = readFileSync(folders.write('file', 2_000_000))
    await sftp.writeFile(folders.there('file'), content)
    expect((await buffer(sftp.createReadStream(folders.there('file')))).equals(content)).toBe(true)
    await sftp.writeFile(folders.there('file'), 'more', { flags: 'a' })
    expect((await sftp.stat(folders.there('file'))).size).toBe(2_000_004)
  })

  it('looks around, and says what is wrong', async () => {
    await sftp.mkdir(folders.there('a/b'), { recursive: true })
    await sftp.writeFile(folders.there('a/file'), 'x')
    expect((await sftp.readdir(folders.there('a'))).map(({ name, type }) => `${name} ${type}`).sort()).toEqual(['b directory', 'file file'])
    await sftp.rename(folders.there('a/file'), folders.there('a/renamed'))
    await sftp.chmod(folders.there('a/renamed'), 0o600)
    expect((await sftp.stat(folders.there('a/renamed'))).mode & 0o777).toBe(0o600)
    expect(await failureOf(sftp.stat(folders.there('no')))).toMatchObject({ code: 'ENOENT', path: folders.there('no') })
    expect(await failureOf(sftp.mkdir(folders.there('a')))).toMatchObject({ code: 'EEXIST' })
    await sftp.rmdir(folders.there('a'), { recursive: true })
    expect(existsSync(folders.there('a'))).toBe(false)
  })
})
