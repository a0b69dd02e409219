import type { EventRecord } from '../binding'
import { type XecNativeError, errorFromFailure } from '../errors'
import { EVENT_NAMES, type EngineEventName, type PoolEventInfo, type PoolEvents } from './names'

type Emit = <K extends EngineEventName>(event: K, ...args: PoolEvents[K]) => void
type Arguments<K extends EngineEventName> = (record: EventRecord, info: PoolEventInfo) => PoolEvents[K]

const hostOnly = (record: EventRecord, info: PoolEventInfo): [string, PoolEventInfo] => [record.host, info]

const withDuration = (record: EventRecord, info: PoolEventInfo): [string, number, PoolEventInfo] =>
  [record.host, record.duration ?? 0, info]

const withReason = (record: EventRecord, info: PoolEventInfo): [string, string, PoolEventInfo] =>
  [record.host, record.reason ?? 'unknown', info]

const withError = (record: EventRecord, info: PoolEventInfo): [string, XecNativeError, PoolEventInfo] =>
  [record.host, errorOf(record), info]

const ARGUMENTS: { [K in EngineEventName]: Arguments<K> } = {
  'connection:created': withDuration,
  'connection:reused': hostOnly,
  'connection:closed': withReason,
  'connection:failed': withError,
  'connection:error': withError,
  'pool:full': hostOnly,
  'connection:idle': withDuration,
  'acquire': hostOnly,
  'queue': hostOnly,
  'retire': withReason,
  'cleanup': (record, info) => [record.count ?? 0, record.remaining ?? 0, info],
  'drain': (_record, info) => [info],
  'connection:reconnecting': (record, info) => [record.host, record.attempt ?? 1, info],
  'connection:reconnected': hostOnly,
  'connection:healthy': hostOnly,
  'connection:unhealthy': withError,
}

/** Calls `emit` with the event a record stands for. A kind from a newer engine is nobody's, so it is left out. */
export function emitRecord(record: EventRecord, emit: Emit): void {
  const name = EVENT_NAMES[record.kind]
  if (name !== undefined) emitNamed(name, ARGUMENTS[name], record, emit)
}

function emitNamed<K extends EngineEventName>(name: K, build: Arguments<K>, record: EventRecord, emit: Emit): void {
  emit(name, ...build(record, infoOf(record)))
}

function infoOf(record: EventRecord): PoolEventInfo {
  const { host, port, username, connection } = record
  return { host, port, username, connection, at: new Date(record.at) }
}

function errorOf(record: EventRecord): XecNativeError {
  return errorFromFailure(record.failure ?? {
    code: 'ECONNLOST', kind: 'connection-lost', phase: 'run', host: record.host, port: record.port, causes: [],
    message: `The connection to ${record.host}:${record.port} broke: ${record.reason ?? 'no reason given'}`,
  })
}
