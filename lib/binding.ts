// The only file that touches the native library, so that a test can put another one in its place.
export {
  CancelToken, NativeLease, NativeSession, NativePool, NativeProcess, histogramBounds, removeControlSockets, version,
} from '../binding.cjs'
export type {
  CommandSpec, ConnectionSnapshot, EventRecord, ExecOutcome, FailureRecord, HealthSettings, HistogramRecord, HostSettings,
  LeaseOutcome,
  MetricsSnapshot, OutputRecord, PoolSettings, ReconnectSettings, StatsSnapshot, TargetSpec, WarmUpRecord,
} from '../binding.cjs'
