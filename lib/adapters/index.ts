export { SSHAdapter } from './ssh/adapter'
export type { SSHAdapterConfig, DefaultConnectOptions } from './ssh/config'
export type { AdapterCommand, OutputTarget, SSHAdapterOptions } from './ssh/command'
export type { ExecutionResult } from './ssh/execution-result'
export type { SSHAdapterEvents } from './ssh/events'
export type { ConnectionPoolMetrics } from './ssh/metrics'
export { AdapterError, CommandError, ConnectionError, ExecutionError, TimeoutError } from './ssh/execution-errors'
export { DockerAdapter } from './docker/adapter'
export { DockerError } from './docker/shapes'
export type { DockerAdapterConfig, DockerAutoCreateOptions, DockerDefaultExecOptions } from './docker/config'
export type { DockerAdapterOptions } from './docker/command'
export type { DockerAdapterEvents } from './docker/events'
export type {
  CreateContainerOptions, DockerComposeOptions, DockerCopyOptions, DockerCopyReport, DockerHealthCheckOptions, DockerImageBuildOptions,
  DockerLogsOptions, DockerNetworkOptions, DockerProgress, DockerRegistryOptions, DockerStats, DockerTransferOptions, DockerVolumeOptions,
  RegistryAuth, RunContainerOptions, StopContainerOptions,
} from './docker/types'
