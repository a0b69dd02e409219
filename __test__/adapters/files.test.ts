import { $ } from '@xec-sh/core'
import { chmodSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { install } from '../../xec.mjs'
import { Folders } from '../support/files'
import { AdapterError, ConnectionError, SSHAdapter } from '../support/native'
import { OpenSSHServer, TEST_USER } from '../support/openssh'

let server: OpenSSHServer
let adapter: SSHAdapter
let folders: Folders

beforeAll(async () => { server = await OpenSSHServer.start() })
afterAll(async () => { await server.stop() })

beforeEach(() => {
  adapter = new SSHAdapter()
  folders = new Folders()
})

afterEach(async () => {
  await adapter.dispose()
  folders.remove()
})

const options = () => ({ type: 'ssh' as const, ...server.target() })

const failure = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'it resolved', (error: unknown) => error)

describe('files through the adapter', () => {
  it('uploadFile makes missing directories, downloadFile brings it back', async () => {
    folders.write('file', 1_000_000)
    await adapter.uploadFile(folders.here('file'), folders.there('a/b/file'), options())
    await adapter.downloadFile(folders.there('a/b/file'), folders.here('back'), options())
    expect(readFileSync(folders.here('back')).equals(readFileSync(folders.here('file')))).toBe(true)
    // One connection, not one per transfer; and each gave its channel back.
    expect(adapter.getPoolMetrics()).toMatchObject({ connectionsCreated: 1, activeConnections: 0 })
  })

  it('uploadDirectory keeps what core\'s own leaves out', async () => {
    mkdirSync(folders.here('src/empty'), { recursive: true })
    folders.write('src/.hidden', 'h')
    folders.write('src/seen', 's')
    await adapter.uploadDirectory(folders.here('src'), folders.there('x/dst'), options())
    expect(readdirSync(folders.there('x/dst')).sort()).toEqual(['.hidden', 'empty', 'seen'])
  })

  it('uploadDirectory rejects when a file was left out, and says which', async () => {
    mkdirSync(folders.here('src'))
    folders.write('src/good', 'g')
    symlinkSync('/no/such/file', folders.here('src/bad'))
    const error = await failure(adapter.uploadDirectory(folders.here('src'), folders.there('dst'), options()))
    expect(error).toBeInstanceOf(AdapterError)
    expect(error).toMatchObject({ operation: 'uploadDirectory', kind: 'not-found', originalError: { code: 'EINCOMPLETE' } })
    expect(String(error)).toContain(`1 of 2 files could not be copied: ${folders.here('src/bad')}`)
    expect(readdirSync(folders.there('dst'))).toEqual(['good'])
  })

  it('sftp.enabled: false', async () => {
    const disabled = new SSHAdapter({ sftp: { enabled: false } })
    const works = [
      disabled.uploadFile('a', 'b', options()), disabled.downloadFile('a', 'b', options()), disabled.uploadDirectory('a', 'b', options()),
    ]
    for (const error of await Promise.all(works.map(failure))) {
      expect(error).toBeInstanceOf(AdapterError)
      expect(String(error)).toContain('SFTP is disabled')
    }
    await disabled.dispose()
  })

  it('errors say what failed, in the contract\'s classes', async () => {
    const missing = await failure(adapter.downloadFile(folders.there('no'), folders.here('x'), options()))
    expect(missing).toBeInstanceOf(AdapterError)
    expect(missing).toMatchObject({ operation: 'downloadFile', kind: 'not-found', phase: 'transfer', originalError: { code: 'ENOENT', path: folders.there('no') } })
    mkdirSync(folders.there('closed'))
    chmodSync(folders.there('closed'), 0o700)
    folders.write('file', 'x')
    expect(await failure(adapter.uploadFile(folders.here('file'), folders.there('closed/x'), options()))).toMatchObject({ kind: 'permission-denied' })
    const refused = await failure(adapter.uploadFile('a', 'b', { ...options(), password: 'wrong', privateKey: undefined }))
    expect(refused).toBeInstanceOf(ConnectionError)
  })

  it('through $.ssh of @xec-sh/core', async () => {
    const { uninstall } = install($)
    try {
      const { port, knownHostsPath } = server.target()
      const ssh = $.ssh({ host: '127.0.0.1', port, username: TEST_USER, privateKey: server.userKey.path, knownHostsPath })
      folders.write('file', 'words')
      await ssh.uploadFile(folders.here('file'), folders.there('made/file'))
      await ssh.downloadFile(folders.there('made/file'), folders.here('back'))
      expect(readFileSync(folders.here('back'), 'utf8')).toBe('words')
    } finally {
      await uninstall()
    }
  })
})
