// The only file that touches the native library, so that a test can put another one in its place.
export {
  CancelToken, NativeLease, NativePool, NativeProcess, NativeSession, TransferToken, histogramBounds, version,
} from '../binding.cjs'
export type {
  AttributesRecord, CandidateRecord, CommandSpec, ConnectionSnapshot, EntryRecord, EventRecord, ExecOutcome, FailureRecord,
  HealthSettings, HistogramRecord, HostSettings, LeaseOutcome, MetricsSnapshot, NativeReadStream, NativeSftp, NativeWriteStream,
  OutputRecord, PoolSettings, ReconnectSettings, SftpAnswer, StatsSnapshot, TargetSpec, TreeRecord, WarmUpRecord,
} from '../binding.cjs'
