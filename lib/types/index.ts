export type {
  HostKey, HostKeyChecking, HostKeyVerifier, KeyboardInteractive, KeyboardInteractiveInfo, KeyboardInteractivePrompt, SSHTarget,
  SudoOptions,
} from './target'
export type {
  ConnectionInfo, HealthCheckConfig, HostPoolConfig, PoolLimits, PoolOptions, PoolStats, ReconnectConfig,
} from './pool'
export type { Histogram, HistogramBucket, PoolMetrics } from './metrics'
export type { HostWarmUp, WarmUpOptions, WarmUpReport } from './warm-up'
export type { FleetOptions, FleetOutcome, FleetProgress, FleetResult } from './fleet'
export type { CommandResult, ExecOptions, PtyOptions, Timings } from './exec'
export type {
  DirectoryTransferOptions, DirectoryTransferResult, DownloadOptions, SFTPEntry, SFTPFileType, SFTPOptions,
  SFTPReadStreamOptions, SFTPStats, SFTPWriteStreamOptions, TransferProgress, TransferResult, UploadOptions,
} from './sftp'
export type { SpawnOptions, SpawnResult } from './process'
export type { LeaseOptions } from './lease'
export type {
  DynamicForwardOptions, ForwardStats, ForwardedConnection, LocalForwardOptions, RemoteForwardOptions,
} from './forward'
export type { ExecuteOptions, SessionOptions } from './session'
export type {
  ContainerOptions, DockerConnectOptions, DockerExecOptions, DockerPoolOptions, DockerRequestOptions, DockerResponse, DockerResult,
  DockerSessionOptions, DockerSpawnOptions, DockerTlsOptions, ExecSessionOptions, ExecSessionResult,
} from './docker'
export type {
  FollowLogOptions, KubernetesContextOptions, KubernetesForwardOptions, KubernetesPoolOptions, KubernetesRequestOptions, KubernetesResponse,
  PodListOptions, LogOptions, PodCopyOptions, PodCopyReport, PodExecOptions, PodInfo, PodOptions, PodRef, PodResult, PodSessionOptions,
  PodSpawnOptions, WaitForPodOptions,
} from './kube'
