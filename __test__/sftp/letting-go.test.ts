import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Folders } from '../support/files'
import { failureOf } from '../support/failure'
import { type SFTP, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { SilentProxy } from '../support/silent-proxy'
import { until } from '../support/wait'

let server: OpenSSHServer
let line: SilentProxy
let pool: SSHConnectionPool
let sftp: SFTP
let folders: Folders

beforeEach(async () => {
  server = await OpenSSHServer.start()
  line = await SilentProxy.start(server.port)
  pool = new SSHConnectionPool({ keepAlive: false })
  sftp = await pool.sftp(server.target({ port: line.port }), { timeout: 0 })
  folders = new Folders()
})

afterEach(async () => {
  await line.stop()
  await pool.dispose()
  await server.stop()
  folders.remove()
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

describe('a stream whose server falls silent', () => {
  it('closes at once when it is destroyed while it reads', async () => {
    execFileSync('sh', ['-c', 'head -c 50000000 /dev/zero > "$0"; chmod 644 "$0"', folders.there('big')])
    const stream = sftp.createReadStream(folders.there('big'))
    await once(stream, 'readable')
    line.silence()
    // What is here already is taken; then it waits.
    stream.resume()
    let before = -1
    await until('nothing more comes', () => {
      const still = stream.readableLength === 0 && before === stream.readableLength
      before = stream.readableLength
      return still
    })
    stream.destroy()
    await once(stream, 'close')
  })

  it('closes at once when it is destroyed while it writes', async () => {
    const stream = sftp.createWriteStream(folders.there('big'))
    stream.on('error', () => undefined)
    await new Promise((resolve) => { stream.write('begun', resolve) })
    line.silence()
    while (stream.write(Buffer.alloc(1024 * 1024)));
    stream.end()
    stream.destroy()
    await once(stream, 'close')
  })
})

describe('a callback', () => {
  const watched = async (transfer: (onProgress: () => void) => Promise<unknown>): Promise<WeakRef<() => void>> => {
    const onProgress = (): void => undefined
    await transfer(onProgress).catch(() => undefined)
    return new WeakRef(onProgress)
  }

  it.each([
    ['that ended', (onProgress: () => void) => sftp.upload(folders.write('file', 'x'), folders.there('file'), { onProgress })],
    ['that failed', (onProgress: () => void) => sftp.download('/no/such/file', folders.here('x'), { onProgress })],
    ['that never began', (onProgress: () => void) => sftp.upload(folders.here('x'), 'x', { onProgress, signal: AbortSignal.abort() })],
  ])('of a transfer %s is let go', async (_how, transfer) => {
    const callback = await watched(transfer)
    await until('it is collected', () => {
      collect()
      return callback.deref() === undefined
    })
  })

  it('of a forward that is closed is let go', async () => {
    const opened = async (): Promise<WeakRef<object>> => {
      const forward = await pool.forwardLocal(server.target(), { remotePort: 1 })
      await forward.close()
      return new WeakRef(forward)
    }
    const forward = await opened()
    await until('it is collected', () => {
      collect()
      return forward.deref() === undefined
    })
  })
})

describe('local files that are none', () => {
  it('a pipe is neither written to nor read from, nor replaced', async () => {
    execFileSync('mkfifo', [folders.here('pipe')])
    execFileSync('sh', ['-c', 'echo x > "$0"; chmod 644 "$0"', folders.there('file')])
    for (const atomic of [false, true]) {
      expect(await failureOf(sftp.download(folders.there('file'), folders.here('pipe'), { atomic })))
        .toMatchObject({ phase: 'transfer', path: folders.here('pipe'), message: expect.stringContaining('not a regular file') as string })
    }
    expect(await failureOf(sftp.upload(folders.here('pipe'), folders.there('new'))))
      .toMatchObject({ path: folders.here('pipe'), message: expect.stringContaining('not a regular file') as string })
    expect([readdirSync(folders.local), readdirSync(folders.remote)]).toEqual([['pipe'], ['file']])
  })
})
