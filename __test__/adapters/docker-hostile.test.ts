import { once } from 'node:events'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DockerAdapter, DockerError } from '../support/native'
import { causeOf, failureOf } from '../support/failure-of'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** What no real daemon says. */
let answer: Answer
let server: Server
let adapter: DockerAdapter
let folder: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xec-hostile-'))
  server = createServer((request, response) => {
    request.resume()
    if (request.url?.endsWith('/_ping') === true) response.setHeader('api-version', '1.41').setHeader('server', 'Docker/20.10.24 (linux)').end('OK')
    else answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  adapter = new DockerAdapter({ host: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, managementTimeout: 2_000, transferTimeout: 5_000 })
})
afterEach(async () => {
  await adapter.dispose()
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

const stat = (isFolder: boolean): string =>
  Buffer.from(JSON.stringify({ name: 'x', size: 1, mode: isFolder ? 2 ** 31 + 0o755 : 0o644, linkTarget: '' })).toString('base64')

/** One header and its content, as tar has it. */
function entry(name: string, content: string, type = '0', target = ''): Buffer {
  const header = Buffer.alloc(512)
  const field = (text: string, at: number): void => { header.write(text, at, 'latin1') }
  field(name, 0)
  field('0000644\0', 100)
  field('0000000\0', 108)
  field('0000000\0', 116)
  field(content.length.toString(8).padStart(11, '0'), 124)
  field('00000000000', 136)
  field('        ', 148)
  field(type, 156)
  field(target, 157)
  field('ustar\u000000', 257)
  field(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148)
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512)
  body.write(content)
  return Buffer.concat([header, body])
}

const END = Buffer.alloc(1024)

describe('a daemon that says what no daemon says', () => {
  it.each([['{', 'EPROTO'], ['', 'EPROTO']])('answers %j', async (text, code) => {
    answer = (_request, response) => { response.end(text) }
    for (const work of [() => adapter.listContainers(), () => adapter.inspectContainer('box'), () => adapter.getStats('box'), () => adapter.listVolumes()]) {
      expect(causeOf(await failureOf(DockerError, work()))).toBe(code)
    }
  })

  it.each(['[]', 'null', '7', '"x"', '[null, 7, {"Names": 3}, {"RepoTags": [1]}]', '{"Volumes": {"a": 1}}'])('%s is nothing, not a crash', async (text) => {
    answer = (_request, response) => { response.end(text) }
    expect(await adapter.listContainers()).toEqual([])
    expect(await adapter.listImages()).toEqual([])
    expect(await adapter.listNetworks()).toEqual([])
    expect(await adapter.listVolumes()).toEqual([])
    expect(await adapter.getStats('box')).toMatchObject({ CPUPerc: '0.00%', MemUsage: '0B / 0B' })
  })

  it('progress that is none, or breaks off', async () => {
    answer = (_request, response) => { response.end('{"status":"ok"}\nnonsense\n') }
    expect(causeOf(await failureOf(DockerError, adapter.pullImage('a')))).toBe('EPROTO')
    answer = (_request, response) => {
      response.write('{"status":"ok"}\n', () => { response.destroy() })
    }
    expect((await failureOf(DockerError, adapter.pullImage('a'))).kind).toBe('connection-lost')
    answer = (_request, response) => { response.end('{"stream":"Step 1/1"}\n') }
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch')
    expect(causeOf(await failureOf(DockerError, adapter.buildImage({ tag: 'x', context: folder })))).toBe('EBUILD')
  })

  it('a daemon that never answers is given up', async () => {
    answer = () => undefined
    expect((await failureOf(DockerError, adapter.listContainers())).kind).toBe('timeout')
    expect((await failureOf(DockerError, adapter.pullImage('a', { timeout: 500 }))).kind).toBe('timeout')
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch')
    expect((await failureOf(DockerError, adapter.buildImage({ tag: 'x', context: folder, timeout: 500 }))).kind).toBe('timeout')
  })

  it.each<[string, Buffer[], RegExp]>([
    ['a name that leads up', [entry('x/../../evil', 'theirs'), END], /leads out/],
    ['an absolute name', [entry('/tmp/xec-hostile-evil', 'theirs'), END], /absolute/],
    ['a link out, and a file through it', [entry('x/l', '', '2', '..'), entry('x/l/evil', 'theirs'), END], /leads out/],
    ['a link inside, and a file through it', [entry('x/d', '', '5'), entry('x/l', '', '2', 'd'), entry('x/l/evil', 'theirs'), END], /symbolic link/],
    ['a hard link out', [entry('x/h', '', '1', 'x/../../secret'), END], /leads out/],
    ['no archive', [Buffer.alloc(2048, 'x')], /no tar archive/],
    ['an archive without its end', [entry('x/a', 'theirs')], /ends too early/],
    ['half a file', [entry('x/a', 'y'.repeat(5000)).subarray(0, 2048)], /cut short|no tar archive/],
  ])('a copy that sends %s', async (_what, pieces, words) => {
    writeFileSync(join(folder, 'secret'), 'ours')
    answer = (_request, response) => {
      response.setHeader('x-docker-container-path-stat', stat(true))
      response.end(Buffer.concat(pieces))
    }
    const error = await failureOf(DockerError, adapter.copyFromContainer('box', '/x', join(folder, 'in')))
    expect([causeOf(error), error.message]).toEqual(['EARCHIVE', expect.stringMatching(words) as string])
    expect(readdirSync(folder).filter((name) => name !== 'in')).toEqual(['secret'])
  })
})
