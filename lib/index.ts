export * from './types'
export {
  AbortError, AuthenticationError, CommandFailedError, ConnectionLostError, ConnectionRefusedError, HostKeyMismatchError,
  InvalidOptionError, InvalidUsageError, MaxBufferError, NotFoundError, PermissionDeniedError, TimeoutExceededError,
  UnsupportedOptionError, XecNativeError, type ErrorFields, type FailureKind, type FailurePhase,
  type HostKeyRefusal, type KnownHostsLine,
} from './errors'
export type { PoolDiagnostic, PoolEventInfo, PoolEventName, PoolEvents } from './events'
export { SSHConnectionPool } from './pool'
export { DockerClient, DockerConnectionPool, DockerExchange, ExecSession, type ExchangeOptions } from './docker'
export { KubernetesConnectionPool, KubernetesContext, KubernetesForward, type KubernetesForwardEvents, PodLogs } from './kube'
export { ShellSession } from './session'
export { SFTP } from './sftp'
export { SSHConnection } from './lease'
export { RemoteProcess } from './process'
export { Forward, type ForwardEvents, type ForwardType } from './forward'
export { version } from './binding'
export {
  AdapterError, CommandError, ConnectionError, ExecutionError, SSHAdapter, TimeoutError, type AdapterCommand,
  type ConnectionPoolMetrics, type DefaultConnectOptions, type ExecutionResult, type OutputTarget, type SSHAdapterConfig,
  type SSHAdapterEvents, type SSHAdapterOptions,
} from './adapters'
export {
  DockerAdapter, DockerError, type CreateContainerOptions, type DockerAdapterConfig, type DockerAdapterEvents, type DockerAdapterOptions,
  type DockerAutoCreateOptions, type DockerComposeOptions, type DockerCopyOptions, type DockerCopyReport, type DockerDefaultExecOptions,
  type DockerHealthCheckOptions, type DockerImageBuildOptions, type DockerLogsOptions, type DockerNetworkOptions, type DockerProgress,
  type DockerRegistryOptions, type DockerStats, type DockerTransferOptions, type DockerVolumeOptions, type RegistryAuth,
  type RunContainerOptions, type StopContainerOptions,
} from './adapters'
export {
  KubernetesAdapter, KubernetesError, type ClusterOptions, type CopyFilesOptions, type ExecuteKubectlOptions, type KubectlResult,
  type KubernetesAdapterConfig, type KubernetesAdapterEvents, type KubernetesAdapterOptions, type KubernetesLogOptions, type KubernetesPortForward,
  type ListPodsOptions, type LogStream, type PortForwardOptions, type Where,
} from './adapters'
export type { MaskingConfig } from './masking'
export { executeSSHCommand, getGlobalPool, type HostLike, type NamedHost } from './environment'
export { installShutdownHandlers, type ClosablePool, type ShutdownOptions } from './shutdown'
export {
  AdaptiveConfig, AllHostsFailedError, ConnectionWarmer, Failover, LoadBalancer, calculateOptimalPoolSize, optimizeKeepAlive,
  type BalancingStrategy, type CommandRunner, type FailoverOptions, type HostUsage, type LoadBalancerOptions, type TextOptions,
  type WarmablePool, type WarmerOptions,
} from './patterns'
export {
  observe, prometheusText, statisticsHandler, statisticsReport, type MeasuredPool, type MeterLike, type ObserveOptions,
  type StatisticsHandler, type StatisticsHandlerOptions, type StatisticsReport,
} from './monitor'
