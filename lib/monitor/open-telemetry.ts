import type { PoolMetrics, PoolStats } from '../types'
import type { MeasuredPool } from './prometheus'
import { HistogramReplay } from './replay'

type Attributes = Record<string, string>

interface InstrumentOptions {
  description: string
  unit: string
}

type Callback = (result: { observe(value: number, attributes?: Attributes): void }) => void

interface ObservableInstrument {
  addCallback(callback: Callback): void
  removeCallback(callback: Callback): void
}

/** The part of an OpenTelemetry Meter that is used here; no package is needed for it. */
export interface MeterLike {
  createObservableUpDownCounter(name: string, options: InstrumentOptions): ObservableInstrument
  createObservableCounter(name: string, options: InstrumentOptions): ObservableInstrument
  createHistogram(name: string, options: InstrumentOptions): { record(value: number, attributes?: Attributes): void }
}

export interface ObserveOptions {
  /** For every value, such as `{ 'ssh.client.connection.pool.name': 'build' }`. */
  attributes?: Attributes
  /** 1_000: how often durations are passed on, in milliseconds; also whenever the meter collects */
  interval?: number
}

/** The semantic conventions' `db.client.connection.*`, with `ssh` for `db`. */
const NAMES = 'ssh.client.connection'

type Read = (stats: PoolStats) => { value: number, attributes?: Attributes }[]
type Kind = 'createObservableUpDownCounter' | 'createObservableCounter'

const INSTRUMENTS: readonly (readonly [Kind, string, InstrumentOptions, Read])[] = [
  ['createObservableUpDownCounter', 'count', { unit: '{connection}', description: 'Open connections by their state' }, (stats) => [
    { value: stats.idleConnections, attributes: { [`${NAMES}.state`]: 'idle' } },
    { value: stats.activeConnections, attributes: { [`${NAMES}.state`]: 'used' } },
  ]],
  // Nothing limits idle connections but the limit of all connections.
  ['createObservableUpDownCounter', 'idle.max', { unit: '{connection}', description: 'Idle connections allowed' },
    ({ limits }) => [{ value: limits.maxTotalConnections }]],
  ['createObservableUpDownCounter', 'max', { unit: '{connection}', description: 'Connections allowed' },
    ({ limits }) => [{ value: limits.maxTotalConnections }]],
  ['createObservableUpDownCounter', 'pending_requests', { unit: '{request}', description: 'Commands that wait for a connection' },
    ({ queued }) => [{ value: queued }]],
  ['createObservableCounter', 'timeouts', { unit: '{timeout}', description: 'Commands whose wait for a connection ran out' },
    ({ acquireTimeouts }) => [{ value: acquireTimeouts }]],
]

const DURATIONS: readonly (readonly [string, string, 'connect' | 'wait' | 'run'])[] = [
  ['create_time', 'From dialing to the accepted login', 'connect'],
  ['wait_time', 'From asking for a connection to having one', 'wait'],
  ['use_time', 'From opening a channel to its end', 'run'],
]

/** Shows a pool to an OpenTelemetry meter until the returned function is called. Keeps no process alive. */
export function observe(meter: MeterLike, pool: MeasuredPool, options: ObserveOptions = {}): () => void {
  const { attributes = {}, interval = 1_000 } = options
  const passOn = durations(meter, attributes)
  const observed = INSTRUMENTS.map(([create, name, description, read], index) => {
    const instrument = meter[create](`${NAMES}.${name}`, description)
    const callback: Callback = (result) => {
      // Once per collection.
      if (index === 0) passOn(pool.getMetrics())
      for (const { value, attributes: own } of read(pool.getStats())) result.observe(value, { ...attributes, ...own })
    }
    instrument.addCallback(callback)
    return () => { instrument.removeCallback(callback) }
  })
  const timer = setInterval(() => { passOn(pool.getMetrics()) }, interval).unref()
  return () => {
    clearInterval(timer)
    passOn(pool.getMetrics())
    for (const stop of observed) stop()
  }
}

/** Durations have no observable instrument, so each value is recorded, shortly after it came about. */
function durations(meter: MeterLike, attributes: Attributes): (metrics: PoolMetrics) => void {
  const recorders = DURATIONS.map(([name, description, field]) => {
    const instrument = meter.createHistogram(`${NAMES}.${name}`, { unit: 's', description })
    const replay = new HistogramReplay()
    return (metrics: PoolMetrics): void => {
      replay.next(metrics[field], (value) => { instrument.record(value / 1_000, attributes) })
    }
  })
  return (metrics) => { for (const record of recorders) record(metrics) }
}
