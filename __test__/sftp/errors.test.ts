import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { OpenSSHServer } from '../support/openssh'
import { DoorKeeper } from '../support/ports'
import { until } from '../support/wait'
import { folders, pool, sftp, withSFTP } from '../support/sftp'

withSFTP()

describe('a file operation that fails', () => {
  it('says which file, and why', async () => {
    const missing = folders.there('missing')
    const works = [
      () => sftp.stat(missing), () => sftp.readdir(missing), () => sftp.remove(missing), () => sftp.readFile(missing),
      () => sftp.download(missing, folders.here('x')),
    ]
    for (const work of works) {
      const error = await failureOf(work())
      expect(error).toMatchObject({ code: 'ENOENT', kind: 'not-found', phase: 'transfer', path: missing, host: '127.0.0.1', reached: true })
      expect(error.message).toContain(missing)
    }
    expect(existsSync(folders.here('x'))).toBe(false)
  })

  it('EACCES, EEXIST, EISDIR, EFAILURE, ENOTSUP', async () => {
    folders.write('file', 'x')
    mkdirSync(folders.there('closed'), { mode: 0o700 })
    expect(await failureOf(sftp.readdir(folders.there('closed')))).toMatchObject({ code: 'EACCES', kind: 'permission-denied' })
    expect(await failureOf(sftp.upload(folders.here('file'), folders.there('closed/file')))).toMatchObject({ code: 'EACCES' })
    expect(await failureOf(sftp.mkdir(folders.there('closed')))).toMatchObject({ code: 'EEXIST' })
    expect(await failureOf(sftp.writeFile(folders.there('closed'), 'x', { flags: 'wx' }))).toMatchObject({ code: 'EEXIST' })
    expect(await failureOf(sftp.download(folders.remote, folders.here('x')))).toMatchObject({ code: 'EISDIR' })
    await sftp.mkdir(folders.there('full'))
    await sftp.writeFile(folders.there('full/file'), 'x')
    expect(await failureOf(sftp.rmdir(folders.there('full')))).toMatchObject({ code: 'EFAILURE', kind: 'unknown' })
  })

  it('at home as well', async () => {
    expect(await failureOf(sftp.upload(folders.here('missing'), folders.there('x'))))
      .toMatchObject({ code: 'ENOENT', kind: 'not-found', phase: 'transfer', path: folders.here('missing') })
    expect(await failureOf(sftp.upload(folders.local, folders.there('x')))).toMatchObject({ code: 'EISDIR' })
    execFileSync('mkfifo', [folders.here('pipe')])
    expect(await failureOf(sftp.upload(folders.here('pipe'), folders.there('x')))).toMatchObject({ code: 'EINVAL' })
    await sftp.writeFile(folders.there('file'), 'x')
    expect(await failureOf(sftp.download(folders.there('file'), folders.here('no/such/x')))).toMatchObject({ code: 'ENOENT' })
    expect(readdirSync(folders.remote)).toEqual(['file'])
  })

  it.each([
    ['there', false], ['there, atomically', true],
  ])('a disk that is full %s', async (_where, atomic) => {
    mkdirSync(folders.there('small'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=777', 'xec-test', folders.there('small')])
    try {
      folders.write('file', 5_000_000)
      const error = await failureOf(sftp.upload(folders.here('file'), folders.there('small/file'), { atomic }))
      expect(error).toMatchObject({ code: 'EFAILURE', phase: 'transfer' })
      // What stays is a beginning that can be resumed, or nothing.
      const left = readdirSync(folders.there('small'))
      expect(left).toEqual(atomic ? [] : ['file'])
      if (!atomic) expect(statSync(folders.there('small/file')).size).toBeLessThanOrEqual(1024 * 1024)
    } finally {
      execFileSync('umount', [folders.there('small')])
    }
  })

  it('a disk that is full here', async () => {
    mkdirSync(folders.here('small'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'xec-test', folders.here('small')])
    try {
      folders.write('file', 5_000_000)
      await sftp.upload(folders.here('file'), folders.there('file'))
      const error = await failureOf(sftp.download(folders.there('file'), folders.here('small/file'), { atomic: true }))
      expect(error).toMatchObject({ code: 'ENOSPC', path: folders.here('small/file') })
      expect(readdirSync(folders.here('small'))).toEqual([])
    } finally {
      execFileSync('umount', [folders.here('small')])
    }
  })
})

describe('a session that cannot be', () => {
  it('the server has no sftp', async () => {
    const bare = await OpenSSHServer.start({ sftp: false })
    try {
      expect(await failureOf(pool.sftp(bare.target()))).toMatchObject({ code: 'ENOSFTP', kind: 'not-found', phase: 'open-channel' })
      await until('the channel came back', () => pool.getConnections().every(({ port, channels }) => port !== bare.port || channels === 0))
    } finally {
      await bare.stop()
    }
  })

  it('the sftp program is missing, or speaks another language', async () => {
    const script = folders.there('chatty')
    writeFileSync(script, '#!/bin/sh\necho welcome to this server\nexec cat\n')
    chmodSync(script, 0o755)
    for (const [program, expected] of [['/no/such/program', 'ENOSFTP'], [script, 'EPROTO']] as const) {
      const odd = await OpenSSHServer.start({ sftp: program })
      try {
        expect(await failureOf(pool.sftp(odd.target()))).toMatchObject({ code: expected })
      } finally {
        await odd.stop()
      }
    }
  })

  it('bad options are refused before anything is dialed', async () => {
    const door = await DoorKeeper.start()
    const target = { host: '127.0.0.1', port: door.port, username: 'nobody', password: 'x' }
    const loose = pool.sftp.bind(pool) as (target: unknown, options?: unknown) => Promise<unknown>
    expect(await failureOf(loose({ ...target, host: '' }))).toMatchObject({ code: 'EINVAL_OPTION', option: 'host' })
    expect(await failureOf(loose(target, { timeout: -1 }))).toMatchObject({ code: 'EINVAL_OPTION', option: 'timeout' })
    expect(await failureOf(loose(target, { priorty: 1 }))).toMatchObject({ code: 'EINVAL_OPTION', option: 'priorty' })
    expect(door.visitors).toBe(0)
    await door.stop()
  })
})

describe('bad options of a transfer', () => {
  type Loose = Record<'upload' | 'download' | 'uploadDirectory' | 'chmod' | 'mkdir', (...args: unknown[]) => Promise<unknown>>
  const loose = (): Loose => sftp as unknown as Loose

  it.each([
    ['local', 'upload', [5, 'x']],
    ['remote', 'upload', ['x', '']],
    ['remote', 'upload', ['x', 'a\0b']],
    ['mode', 'upload', ['x', 'y', { mode: 0o10000 }]],
    ['resume', 'upload', ['x', 'y', { atomic: true, resume: true }]],
    ['resume', 'download', ['x', 'y', { atomic: true, resume: true }]],
    ['onProgress', 'download', ['x', 'y', { onProgress: true }]],
    ['parent', 'upload', ['x', 'y', { parent: true }]],
    ['concurrency', 'uploadDirectory', ['x', 'y', { concurrency: 0 }]],
    ['symlinks', 'uploadDirectory', ['x', 'y', { symlinks: 'eat' }]],
    ['filter', 'uploadDirectory', ['x', 'y', { filter: /x/ }]],
    ['mode', 'chmod', ['x', -1]],
    ['recursiv', 'mkdir', ['x', { recursiv: true }]],
  ] as const)('%s of %s %j', async (option, method, args) => {
    expect(await failureOf(loose()[method](...args))).toMatchObject({ code: 'EINVAL_OPTION', option })
  })
})
