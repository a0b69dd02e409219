import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Folders, sha256 } from '../support/files'
import { failureOf } from '../support/failure'
import { type SFTP, SSHConnectionPool, XecNativeError } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { SilentProxy } from '../support/silent-proxy'
import { until } from '../support/wait'

let server: OpenSSHServer
let pool: SSHConnectionPool
let sftp: SFTP
let folders: Folders

const SIZE = 200_000_000

beforeEach(async () => {
  server = await OpenSSHServer.start()
  pool = new SSHConnectionPool({ keepAlive: false })
  sftp = await pool.sftp(server.target())
  folders = new Folders()
})

afterEach(async () => {
  await sftp.close()
  await pool.dispose()
  await server.stop()
  folders.remove()
})

function bigFile(path: string): string {
  execFileSync('sh', ['-c', `head -c ${SIZE} /dev/urandom > "$0"; chmod 644 "$0"`, path])
  return path
}

/** Does something once a transfer is well under way. */
function midway(action: () => void): (progress: { transferred: number }) => void {
  let done = false
  return ({ transferred }) => {
    if (done || transferred < 1_000_000) return
    done = true
    action()
  }
}

describe('abort in the middle', () => {
  it.each([[false], [true]])('of an upload, atomic: %s', async (atomic) => {
    const source = bigFile(folders.here('big'))
    await sftp.writeFile(folders.there('big'), 'old')
    const controller = new AbortController()
    const onProgress = midway(() => { controller.abort(new Error('enough')) })
    const error = await failureOf(sftp.upload(source, folders.there('big'), { atomic, signal: controller.signal, onProgress }))
    expect(error).toMatchObject({ code: 'ABORT_ERR', phase: 'transfer', cause: { message: 'enough' } })
    if (atomic) {
      expect(readFileSync(folders.there('big'), 'utf8')).toBe('old')
      await until('the temporary file is gone', () => readdirSync(folders.remote).length === 1)
      return
    }
    const { size } = statSync(folders.there('big'))
    expect(size).toBeGreaterThan(0)
    expect(size).toBeLessThan(SIZE)
    const { bytes } = await sftp.upload(source, folders.there('big'), { resume: true })
    expect(bytes).toBe(SIZE - size)
    expect(await sha256(folders.there('big'))).toBe(await sha256(source))
  })

  it.each([[false], [true]])('of a download, atomic: %s', async (atomic) => {
    const source = bigFile(folders.there('big'))
    folders.write('big', 'old')
    const controller = new AbortController()
    const onProgress = midway(() => { controller.abort() })
    const error = await failureOf(sftp.download(source, folders.here('big'), { atomic, signal: controller.signal, onProgress }))
    expect(error).toMatchObject({ code: 'ABORT_ERR', phase: 'transfer' })
    if (atomic) {
      expect(readFileSync(folders.here('big'), 'utf8')).toBe('old')
      expect(readdirSync(folders.local)).toEqual(['big'])
      return
    }
    expect(statSync(folders.here('big')).size).toBeLessThan(SIZE)
    await sftp.download(source, folders.here('big'), { resume: true })
    expect(await sha256(folders.here('big'))).toBe(await sha256(source))
  })

  it('of a directory; and before anything began', async () => {
    for (let index = 0; index < 500; index += 1) folders.write(`f${index}`, 100_000)
    bigFile(folders.here('big'))
    const controller = new AbortController()
    const onProgress = midway(() => { controller.abort() })
    expect(await failureOf(sftp.uploadDirectory(folders.local, folders.there('dst'), { signal: controller.signal, onProgress, concurrency: 2 })))
      .toMatchObject({ code: 'ABORT_ERR' })
    const big = folders.there('dst/big')
    expect(!existsSync(big) || statSync(big).size < SIZE).toBe(true)
    const aborted = AbortSignal.abort()
    expect(await failureOf(sftp.upload(folders.here('f1'), folders.there('never'), { signal: aborted }))).toMatchObject({ code: 'ABORT_ERR', reached: false })
    expect(await failureOf(pool.sftp(server.target(), { signal: aborted }))).toMatchObject({ code: 'ABORT_ERR', reached: false })
    expect(readdirSync(folders.remote)).toEqual(['dst'])
    // The session is as good as before.
    expect(await sftp.readFile(folders.there('dst/f0'))).toHaveLength(100_000)
  })
})

describe('the connection breaks in the middle', () => {
  it('of an upload: ECONNLOST, and the next session goes on', async () => {
    const source = bigFile(folders.here('big'))
    const onProgress = midway(() => { server.killConnections() })
    const error = await failureOf(sftp.upload(source, folders.there('big'), { onProgress }))
    expect(error).toMatchObject({ code: 'ECONNLOST', kind: 'connection-lost', phase: 'transfer' })
    expect(await failureOf(sftp.stat('.'))).toMatchObject({ code: 'ECONNLOST' })
    const { size } = statSync(folders.there('big'))
    const again = await pool.sftp(server.target())
    expect(await again.upload(source, folders.there('big'), { resume: true })).toEqual({ bytes: SIZE - size })
    expect(await sha256(folders.there('big'))).toBe(await sha256(source))
    await again.close()
  })

  it('of a download', async () => {
    const source = bigFile(folders.there('big'))
    const onProgress = midway(() => { server.killConnections() })
    expect(await failureOf(sftp.download(source, folders.here('big'), { onProgress }))).toMatchObject({ code: 'ECONNLOST', phase: 'transfer' })
    const { size } = statSync(folders.here('big'))
    const again = await pool.sftp(server.target())
    expect(await again.download(source, folders.here('big'), { resume: true })).toEqual({ bytes: SIZE - size })
    expect(await sha256(folders.here('big'))).toBe(await sha256(source))
    await again.close()
  })

  it('of a directory: the report says what is missing', async () => {
    for (let index = 0; index < 300; index += 1) folders.write(`f${index}`, 100_000)
    // Long enough to be still under way when the first report arrives.
    bigFile(folders.here('big'))
    const onProgress = midway(() => { server.killConnections() })
    const { files, failed } = await sftp.uploadDirectory(folders.local, folders.there('dst'), { onProgress, concurrency: 2 })
    expect(files + failed.length).toBe(301)
    expect(failed.length).toBeGreaterThan(0)
    for (const { error } of failed) expect(error).toMatchObject({ code: 'ECONNLOST' })
  })

  it('of a stream', async () => {
    bigFile(folders.there('big'))
    const reading = async (): Promise<void> => {
      for await (const part of sftp.createReadStream(folders.there('big'))) {
        if ((part as Buffer).length > 0) server.killConnections()
      }
    }
    expect(await failureOf(reading())).toMatchObject({ code: 'ECONNLOST' })
  })

  it('without a word: ETIMEDOUT after the time that the server may be silent', async () => {
    const proxy = await SilentProxy.start(server.port)
    const behind = await pool.sftp(server.target({ port: proxy.port }), { timeout: 500 })
    proxy.silence()
    const began = performance.now()
    expect(await failureOf(behind.stat('.'))).toMatchObject({ code: 'ETIMEDOUT', phase: 'transfer', limit: 500 })
    expect(performance.now() - began).toBeGreaterThan(490)
    await proxy.stop()
  })
})

describe('a session\'s life', () => {
  const channels = (): number => pool.getConnections().reduce((sum, connection) => sum + connection.channels, 0)

  it('close() does what was asked before, refuses what is asked later, and gives the channel back', async () => {
    folders.write('file', 1_000_000)
    const upload = sftp.upload(folders.here('file'), folders.there('file'))
    await upload
    const stat = sftp.stat(folders.there('file'))
    const closed = sftp.close()
    expect(sftp.closed).toBe(true)
    expect(await stat).toMatchObject({ size: 1_000_000 })
    await closed
    await sftp.close()
    expect(await failureOf(sftp.stat('.'))).toMatchObject({ code: 'ESFTPCLOSED', kind: 'invalid-usage' })
    expect(channels()).toBe(0)
    await using again = await pool.sftp(server.target())
    await again.stat('.')
    expect(channels()).toBe(1)
    expect(pool.getStats().connectionsCreated).toBe(1)
  })

  it('a garbage-collected one ends', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    for (let index = 0; index < 3; index += 1) await (await pool.sftp(server.target())).stat('.')
    await until('the sessions are collected', () => {
      collect()
      return channels() === 1
    })
    await sftp.stat('.')
  })

  it('counts as use: no idle time passes, and drain waits for it', async () => {
    const quick = new SSHConnectionPool({ idleTimeout: 50, cleanupInterval: 10 })
    const held = await quick.sftp(server.target())
    await new Promise((resolve) => { setTimeout(resolve, 300) })
    await held.stat('.')
    const drained = quick.drain()
    await held.stat('.')
    await held.close()
    expect(await drained).toBe(true)
    await quick.dispose()
  })

  it('has a connection of its own, which commands do not wait for', async () => {
    await pool.exec(server.target(), 'true')
    expect(pool.getConnections()).toHaveLength(2)
  })

  it('a pool that closes ends it with the reason', async () => {
    const source = bigFile(folders.here('big'))
    const onProgress = midway(() => { void pool.closeAll() })
    const error: unknown = await sftp.upload(source, folders.there('big'), { onProgress }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(XecNativeError)
    expect(error).toMatchObject({ code: 'EPOOLCLOSED', phase: 'transfer' })
  })
})
