import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sshThrough } from '../support/control-master'
import { MESSAGE, MuxProxy } from '../support/mux-proxy'
import { SSHConnectionPool } from '../support/native'
import { freePort } from '../support/ports'
import { listen } from '../support/sockets'
import { echoPort, server, stageServerAndEcho } from '../support/stage'
import { until } from '../support/wait'

let directory: string
let path: string
let pool: SSHConnectionPool
let proxy: MuxProxy

stageServerAndEcho()

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xec-mux-'))
  path = join(directory, 'control')
  pool = new SSHConnectionPool()
  await pool.exec(server.target({ controlMaster: true, controlPath: path }), 'true')
  await until('the control socket is there', () => existsSync(path))
  proxy = await MuxProxy.open(path)
})
afterEach(async () => {
  proxy.leave()
  await until('its places are free', () => pool.getStats().activeChannels === 0)
  expect((await sshThrough(path, ['host', 'echo well'])).stdout.toString()).toBe('well\n')
  expect(pool.getStats().connectionsCreated).toBe(1)
  await pool.dispose()
  rmSync(directory, { recursive: true, force: true })
})

/** The number that the master has given our channel. */
async function opened(): Promise<number> {
  const { kind, rest } = await proxy.hear()
  expect(kind).toBe(MESSAGE.confirmation)
  return rest.readUInt32BE(4)
}

/** All that comes on the one channel, until it is closed; room is made as it comes. */
async function received(channel: number, step = 50_000): Promise<{ data: string; kinds: Set<number> }> {
  const kinds = new Set<number>()
  const pieces: Buffer[] = []
  let taken = 0
  for (;;) {
    const { kind, rest } = await proxy.hear()
    kinds.add(kind)
    if (kind === MESSAGE.close) return { data: Buffer.concat(pieces).toString(), kinds }
    if (kind !== MESSAGE.data) continue
    pieces.push(rest.subarray(8))
    taken += rest.length - 8
    if (taken < step) continue
    proxy.say(MESSAGE.adjust, channel, taken)
    taken = 0
  }
}

describe('connections through our master in proxy mode', () => {
  it('carry bytes both ways within their windows, and their ends', async () => {
    proxy.direct(7, '127.0.0.1', echoPort)
    const channel = await opened()
    expect(pool.getStats().activeChannels).toBe(1)
    const sent = 'abcdefghij'.repeat(80_000)
    for (let i = 0; i < sent.length; i += 20_000) proxy.say(MESSAGE.data, channel, sent.slice(i, i + 20_000))
    proxy.say(MESSAGE.eof, channel)
    const { data, kinds } = await received(channel)
    expect(data === sent).toBe(true)
    expect(kinds).toEqual(new Set([MESSAGE.data, MESSAGE.adjust, MESSAGE.eof, MESSAGE.close]))
    proxy.say(MESSAGE.close, channel)
  })

  it('to a socket behind the server', async () => {
    const there = join(directory, 'there')
    const inn = await listen((socket) => socket.end('by socket'), there)
    chmodSync(directory, 0o755)
    chmodSync(there, 0o777)
    proxy.say(90, 'direct-streamlocal@openssh.com', 7, 100_000, 32_768, there, '', 0)
    const channel = await opened()
    proxy.say(MESSAGE.eof, channel)
    expect((await received(channel)).data).toBe('by socket')
    proxy.say(MESSAGE.close, channel)
    inn.server.close()
  })

  it('that are not to be had are refused in words, like what is no connection', async () => {
    proxy.direct(7, '127.0.0.1', await freePort())
    const refused = await proxy.hear()
    expect([refused.kind, refused.rest.readUInt32BE(0)]).toEqual([MESSAGE.openFailure, 7])
    expect(refused.rest.toString()).toMatch(/server cannot connect to 127\.0\.0\.1/)
    proxy.direct(8, '', 1)
    expect((await proxy.hear()).rest.toString()).toMatch(/opens no such channel/)
    proxy.say(80, 'tcpip-forward', Buffer.from([1]), '127.0.0.1', 0)
    expect((await proxy.hear()).kind).toBe(MESSAGE.requestFailure)
  })

  it('closed or left in the middle, they end at the other side', async () => {
    const sockets: Socket[] = []
    const there = await listen((socket) => { sockets.push(socket.resume()) })
    const close = async (channel: number): Promise<void> => {
      proxy.say(MESSAGE.close, channel)
      // Its answer.
      for (let kind = 0; kind !== MESSAGE.close;) ({ kind } = await proxy.hear())
    }
    const leave = (): Promise<void> => {
      proxy.leave()
      return Promise.resolve()
    }
    for (const end of [close, leave]) {
      proxy.direct(7, '127.0.0.1', there.port)
      const channel = await opened()
      await until('it is connected', () => sockets.length > 0)
      const socket = sockets.pop()
      const left = socket === undefined ? undefined : once(socket, 'end')
      await end(channel)
      await left
      socket?.end()
      await until('its place is free', () => pool.getStats().activeChannels === 0)
    }
    there.server.close()
  })

  it('more than its window holds ends the one that sends it', async () => {
    const there = await listen((socket) => { socket.pause() })
    proxy.direct(7, '127.0.0.1', there.port)
    const channel = await opened()
    // Nobody reads there: room is made for what fits on the way, and no more.
    const piece = 'x'.repeat(32_000)
    let sent = 0
    for (; sent < 64 * 1024 * 1024; sent += piece.length) proxy.say(MESSAGE.data, channel, piece)
    for (let kind = 0; kind !== MESSAGE.close;) ({ kind } = await proxy.hear())
    there.server.close()
  })
})
