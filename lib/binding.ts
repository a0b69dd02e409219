// The only file that touches the native library, so that a test can put another one in its place.
export { CancelToken, NativePool, version } from '../binding.cjs'
export type {
  CommandSpec, ConnectionSnapshot, EventRecord, ExecOutcome, FailureRecord, HostSettings, OutputRecord,
  PoolSettings, StatsSnapshot, TargetSpec,
} from '../binding.cjs'
