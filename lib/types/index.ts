export type { HostKey, HostKeyChecking, KeyboardInteractivePrompt, SSHTarget, SudoOptions } from './target'
export type {
  ConnectionInfo, HealthCheckConfig, HostPoolConfig, PoolOptions, PoolStats, ReconnectConfig,
} from './pool'
export type { CommandResult, ExecOptions, PtyOptions, Timings } from './exec'
