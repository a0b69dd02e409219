import type { AddressRecord, ForwardSettings } from '../binding'
import { InvalidOptionError } from '../errors'
import type { DynamicForwardOptions, LocalForwardOptions, RemoteForwardOptions } from '../types'
import { hostName, integer, nonEmptyText } from './checks'
import { signal } from './exec'
import { type Check, shape } from './schema'

const LOOPBACK = '127.0.0.1'

const port = integer(0, 65_535)

const bothSides = shape({
  localPort: port, localHost: hostName, localSocket: nonEmptyText,
  remotePort: port, remoteHost: hostName, remoteSocket: nonEmptyText, signal,
})

const dynamic = shape({ localPort: port, localHost: hostName, signal })

type Side = 'local' | 'remote'

interface Given {
  host: string | undefined
  port: number | undefined
  path: string | undefined
}

export interface CheckedForward {
  settings: ForwardSettings
  signal: AbortSignal | undefined
}

export function checkLocalForward(value: LocalForwardOptions): CheckedForward {
  const given = check(bothSides, value)
  const { local, remote } = sides(given)
  return { settings: { kind: 'local', listen: listener('local', local), to: destination('remote', remote) }, signal: given.signal }
}

export function checkRemoteForward(value: RemoteForwardOptions): CheckedForward {
  const given = check(bothSides, value)
  const { local, remote } = sides(given)
  return { settings: { kind: 'remote', listen: listener('remote', remote), to: destination('local', local) }, signal: given.signal }
}

export function checkDynamicForward(value: DynamicForwardOptions = {}): CheckedForward {
  const given = check(dynamic, value)
  const listen = listener('local', { host: given.localHost, port: given.localPort, path: undefined })
  return { settings: { kind: 'dynamic', listen }, signal: given.signal }
}

function check<T>(fields: Check<T>, value: unknown): T {
  return fields(value, '')
}

function sides(given: ReturnType<typeof bothSides>): Record<Side, Given> {
  return {
    local: { host: given.localHost, port: given.localPort, path: given.localSocket },
    remote: { host: given.remoteHost, port: given.remotePort, path: given.remoteSocket },
  }
}

function listener(side: Side, given: Given): AddressRecord {
  return socket(side, given) ?? { host: given.host ?? LOOPBACK, port: given.port ?? 0 }
}

function destination(side: Side, given: Given): AddressRecord {
  const path = socket(side, given)
  if (path !== undefined) return path
  if (given.port === undefined || given.port === 0) {
    throw new InvalidOptionError(`${side}Port`, `it says where connections go: give a port from 1 to 65535, or ${side}Socket`)
  }
  return { host: given.host ?? LOOPBACK, port: given.port }
}

function socket(side: Side, { host, port: number, path }: Given): AddressRecord | undefined {
  if (path === undefined) return undefined
  if (host === undefined && number === undefined) return { path }
  throw new InvalidOptionError(`${side}Socket`, `give it alone, without ${side}Host and ${side}Port`)
}
