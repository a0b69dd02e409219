import { once } from 'node:events'
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import { descendants, programOf } from '../support/processes'
import { until } from '../support/wait'
import { folders, pool, server, sftp, withSFTP } from '../support/sftp'

withSFTP()

/** Files in our folder that the server's sftp processes have open. */
function open(): string[] {
  const processes = descendants(process.pid).filter((pid) => programOf(pid) === 'sftp-server')
  return processes.flatMap((pid) => readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      // Closed since it was listed.
      return ''
    }
  })).filter((path) => path.startsWith(folders.remote))
}

describe('createReadStream', () => {
  it.each([0, 1, 1000, 261_120, 5_000_000])('gives the %i bytes of a file, then ends and closes it', async (size) => {
    const content = readFileSync(folders.write('file', size))
    await sftp.upload(folders.here('file'), folders.there('file'))
    expect((await buffer(sftp.createReadStream(folders.there('file')))).equals(content)).toBe(true)
    await until('the file is closed', () => open().length === 0)
  })

  it('start and end are the first and the last byte', async () => {
    await sftp.writeFile(folders.there('file'), '0123456789')
    const range = async (options: object): Promise<string> => (await buffer(sftp.createReadStream(folders.there('file'), options))).toString()
    expect(await range({ start: 3, end: 5 })).toBe('345')
    expect(await range({ start: 7 })).toBe('789')
    expect(await range({ end: 0 })).toBe('0')
    expect(await range({ start: 20 })).toBe('')
    expect(await range({ start: 8, end: 100 })).toBe('89')
  })

  it('decodes, and reads what shows no size', async () => {
    await sftp.writeFile(folders.there('file'), 'grüße'.repeat(100_000))
    let text = ''
    for await (const part of sftp.createReadStream(folders.there('file'), { encoding: 'utf8' })) text += part as string
    expect(text).toBe('grüße'.repeat(100_000))
    expect(await sftp.readFile('/proc/uptime', 'utf8')).toMatch(/^\d+\.\d+ /)
  })

  it('who does not read holds up nobody, and takes little memory', async () => {
    folders.write('file', 50_000_000)
    await sftp.upload(folders.here('file'), folders.there('file'))
    const before = process.memoryUsage.rss()
    const stream = sftp.createReadStream(folders.there('file'))
    stream.once('readable', () => undefined)
    await once(stream, 'readable')
    await sftp.upload(folders.here('file'), folders.there('other'))
    expect((await pool.exec(server.target(), 'echo quick')).stdout).toBe('quick\n')
    expect(process.memoryUsage.rss() - before).toBeLessThan(40_000_000)
    let length = 0
    for await (const part of stream) length += (part as Buffer).length
    expect(length).toBe(50_000_000)
  })

  it('destroy closes the file; errors say which file', async () => {
    folders.write('file', 5_000_000)
    await sftp.upload(folders.here('file'), folders.there('file'))
    const stream = sftp.createReadStream(folders.there('file'))
    await once(stream, 'readable')
    expect(open()).toEqual([folders.there('file')])
    stream.destroy()
    await until('the file is closed', () => open().length === 0)
    expect(await failureOf(buffer(sftp.createReadStream(folders.there('no'))))).toMatchObject({ code: 'ENOENT', path: folders.there('no') })
    const controller = new AbortController()
    const aborted = sftp.createReadStream(folders.there('file'), { signal: controller.signal })
    await once(aborted, 'readable')
    controller.abort()
    await expect(buffer(aborted)).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
    await until('the file is closed', () => open().length === 0)
  })
})

describe('createWriteStream', () => {
  it('finishes when every byte is on the server and the file is closed', async () => {
    const content = readFileSync(folders.write('file', 5_000_000))
    const pieces = Array.from({ length: 500 }, (_, index) => content.subarray(index * 10_000, (index + 1) * 10_000))
    await pipeline(Readable.from(pieces), sftp.createWriteStream(folders.there('file'), { mode: 0o600 }))
    expect(open()).toEqual([])
    expect(readFileSync(folders.there('file')).equals(content)).toBe(true)
    expect(statSync(folders.there('file')).mode & 0o777).toBe(0o600)
  })

  it('w empties, a appends, r+ and start write in the middle, wx refuses', async () => {
    const path = folders.there('file')
    await sftp.writeFile(path, '0123456789')
    await sftp.writeFile(path, 'ab', { flags: 'a' })
    await sftp.writeFile(path, 'XY', { flags: 'r+', start: 3 })
    expect(readFileSync(path, 'utf8')).toBe('012XY56789ab')
    expect(await failureOf(sftp.writeFile(path, 'z', { flags: 'wx' }))).toMatchObject({ code: 'EEXIST' })
    expect(await failureOf(sftp.writeFile(folders.there('no'), 'z', { flags: 'r+' }))).toMatchObject({ code: 'ENOENT' })
    await sftp.writeFile(path, '')
    expect(statSync(path).size).toBe(0)
  })

  it('holds the writer back', async () => {
    const stream = sftp.createWriteStream(folders.there('file'), { highWaterMark: 64 * 1024 })
    const part = Buffer.alloc(64 * 1024, 'x')
    let waited = 0
    for (let index = 0; index < 400; index += 1) {
      if (stream.write(part)) continue
      waited += 1
      await once(stream, 'drain')
    }
    stream.end()
    await once(stream, 'finish')
    expect(waited).toBeGreaterThan(100)
    expect(statSync(folders.there('file')).size).toBe(400 * part.length)
  })

  it('destroy closes the file with what has arrived', async () => {
    const stream = sftp.createWriteStream(folders.there('file'))
    stream.write('begun')
    await until('it has arrived', () => statSync(folders.there('file'), { throwIfNoEntry: false })?.size === 5)
    stream.destroy()
    await until('the file is closed', () => open().length === 0)
    expect(readFileSync(folders.there('file'), 'utf8')).toBe('begun')
  })

  it('a buffer that changes after write() is written as it was', async () => {
    const bytes = Buffer.alloc(100_000, 'a')
    const stream = sftp.createWriteStream(folders.there('file'))
    await new Promise((resolve) => { stream.write(bytes, resolve) })
    bytes.fill('b')
    stream.end()
    await once(stream, 'finish')
    expect(readFileSync(folders.there('file'), 'utf8')).toBe('a'.repeat(100_000))
  })
})
