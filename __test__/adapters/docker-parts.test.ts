import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allRegistries, registryHeader } from '../../lib/adapters/docker/credentials'
import { moment, nanoseconds } from '../../lib/adapters/docker/duration'
import { jsonLines } from '../../lib/adapters/docker/json-lines'
import { DOCKER_HUB, parseReference } from '../../lib/adapters/docker/reference'
import { checkBind, portFields } from '../../lib/adapters/docker/volumes-and-ports'

describe('durations and moments', () => {
  it.each([
    ['30s', 30e9], ['1m30s', 90e9], ['500ms', 5e8], ['1.5h', 5400e9], ['10us', 1e4], ['', undefined], ['5', undefined], ['5x', undefined], ['1m x', undefined], ['-1s', undefined],
  ])('%s', (text, expected) => { expect(nanoseconds(text)).toBe(expected) })

  it('a moment is a date, seconds, or how long ago', () => {
    expect(moment('1700000000', 'since')).toBe('1700000000')
    expect(moment('10m', 'since', 1_700_000_000_000)).toBe('1699999400.000')
    expect(moment('2023-11-14T22:13:20.500Z', 'since')).toBe('1700000000.500')
    expect(() => moment('soon', 'until')).toThrow('until')
  })
})

describe('images\' names', () => {
  it.each([
    ['busybox', { repository: 'busybox', tag: 'latest', digest: undefined, registry: DOCKER_HUB }],
    ['team/app:1.2', { repository: 'team/app', tag: '1.2', digest: undefined, registry: DOCKER_HUB }],
    ['localhost:5000/app', { repository: 'localhost:5000/app', tag: 'latest', digest: undefined, registry: 'localhost:5000' }],
    ['r.example.com/a/b:c', { repository: 'r.example.com/a/b', tag: 'c', digest: undefined, registry: 'r.example.com' }],
    ['app@sha256:abc', { repository: 'app', tag: undefined, digest: 'sha256:abc', registry: DOCKER_HUB }],
  ])('%s', (name, expected) => { expect(parseReference(name)).toEqual(expected) })

  it.each(['', 'a b', '-x', 'a:', 'a@', ':x', 'a\nb', 7])('%j is none', (name) => { expect(() => parseReference(name)).toThrow('image') })
})

describe('volumes and ports', () => {
  it('binds are absolute, or volumes by name', () => {
    for (const bind of ['/a:/b', 'volume_1:/b:ro', '/a b:/c']) expect(checkBind(bind, 'volumes')).toBe(bind)
    for (const bind of ['a', 'a/b:/c', './a:/c', '/a:b', ':/c']) expect(() => checkBind(bind, 'volumes[0]')).toThrow('volumes[0]')
  })

  it('ports', () => {
    expect(portFields(['80', '8080:80', '127.0.0.1:53:53/udp', '[::1]:1:2'], 'ports')).toEqual({
      ExposedPorts: { '80/tcp': {}, '53/udp': {}, '2/tcp': {} },
      PortBindings: {
        '80/tcp': [{ HostPort: '' }, { HostPort: '8080' }], '53/udp': [{ HostIp: '127.0.0.1', HostPort: '53' }], '2/tcp': [{ HostIp: '::1', HostPort: '1' }],
      },
    })
    for (const port of ['x', '70000', '80/icmp', '1:2:3:4']) expect(() => portFields([port], 'ports')).toThrow('ports[0]')
  })
})

describe('JSON lines', () => {
  it('may be cut anywhere, inside a letter too', async () => {
    const bytes = Buffer.from('{"a":"ü"}\r\n{"b":2}\n\n{"c":3}')
    for (let size = 1; size < bytes.length; size += 1) {
      const pieces = (async function* () {
        for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size))
      })()
      const found: unknown[] = []
      for await (const line of jsonLines(pieces)) found.push(line)
      expect(found).toEqual([{ a: 'ü' }, { b: 2 }, { c: 3 }])
    }
  })
})

describe('credentials', () => {
  let folder: string
  const before = { ...process.env }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'xec-credentials-'))
    process.env['DOCKER_CONFIG'] = folder
  })
  afterEach(() => {
    process.env = { ...before }
    rmSync(folder, { recursive: true, force: true })
  })

  const config = (value: object | string): void => { writeFileSync(join(folder, 'config.json'), typeof value === 'string' ? value : JSON.stringify(value)) }

  const decoded = async (header: Promise<string>): Promise<unknown> => JSON.parse(Buffer.from(await header, 'base64url').toString())

  const encoded = (text: string): string => Buffer.from(text).toString('base64')

  function helper(name: string, script: string): void {
    mkdirSync(join(folder, 'bin'), { recursive: true })
    const file = join(folder, 'bin', `docker-credential-${name}`)
    writeFileSync(file, `#!/bin/sh\n${script}\n`)
    chmodSync(file, 0o755)
    process.env['PATH'] = `${join(folder, 'bin')}${delimiter}${before['PATH'] ?? ''}`
  }

  it('none, given ones, stored ones', async () => {
    expect(await decoded(registryHeader('r.example.com', undefined))).toEqual({})
    expect(await decoded(registryHeader('r.example.com', { username: 'u', password: 'p' }))).toEqual({ username: 'u', password: 'p', serveraddress: 'r.example.com' })
    config({ auths: { 'https://r.example.com/v1/': { auth: encoded('u:p:with:colons') }, [DOCKER_HUB]: { identitytoken: 'token' } } })
    expect(await decoded(registryHeader('r.example.com', undefined))).toEqual({ username: 'u', password: 'p:with:colons', serveraddress: 'r.example.com' })
    expect(await decoded(registryHeader(DOCKER_HUB, undefined))).toEqual({ identitytoken: 'token', serveraddress: DOCKER_HUB })
    expect(await decoded(registryHeader('other.example.com', undefined))).toEqual({})
    expect(Object.keys(await decoded(allRegistries()) as object)).toHaveLength(2)
  })

  it('from a helper, which is told the registry on stdin', async () => {
    helper('test', 'read registry; printf \'{"Username":"%s","Secret":"s"}\' "$registry"')
    config({ credsStore: 'test' })
    expect(await decoded(registryHeader('r.example.com', undefined))).toEqual({ username: 'r.example.com', password: 's', serveraddress: 'r.example.com' })
    helper('none', 'echo "credentials not found in native keychain"; exit 1')
    config({ credHelpers: { 'r.example.com': 'none' }, credsStore: 'test' })
    expect(await decoded(registryHeader('r.example.com', undefined))).toEqual({})
  })

  it('what goes wrong is told without secrets', async () => {
    config('{"auths": {"r": {"auth": "c2VjcmV0"}}, broken')
    await expect(registryHeader('r', undefined)).rejects.toSatisfy((error: Error) =>
      'code' in error && error.code === 'EDOCKERCONFIG' && error.cause === undefined && !error.message.includes('c2VjcmV0'))
    helper('failing', 'echo secret; exit 3')
    config({ credsStore: 'failing' })
    await expect(registryHeader('r', undefined)).rejects.toMatchObject({ code: 'EDOCKERCONFIG', message: 'docker-credential-failing ended with 3' })
    helper('babbling', 'echo secret')
    config({ credsStore: 'babbling' })
    await expect(registryHeader('r', undefined)).rejects.toSatisfy((error: Error) => error.cause === undefined && !error.message.includes('secret'))
    config({ credsStore: 'missing', auths: { r: {} } })
    expect(await decoded(allRegistries())).toEqual({})
    await expect(registryHeader('r', undefined)).rejects.toMatchObject({ code: 'EDOCKERCONFIG' })
    config({ credsStore: '../../bin/sh' })
    await expect(registryHeader('r', undefined)).rejects.toMatchObject({ code: 'EINVAL_OPTION' })
  })
})
