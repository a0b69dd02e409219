import type { CommandResult, ExecOptions } from './exec'
import type { HealthCheckConfig, HostPoolConfig } from './pool'
import type { SpawnOptions, SpawnResult } from './process'
import type { SessionOptions } from './session'
import type { SSHTarget } from './target'

/** PEM text, or the path of a file that holds it. */
export interface DockerTlsOptions {
  /** Who may have signed the daemon's certificate; the system's authorities when absent. */
  ca?: string | Buffer
  cert?: string | Buffer
  key?: string | Buffer
  /** true; false accepts any certificate: the line is encrypted, and nobody knows with whom */
  verify?: boolean
  /** The name in the daemon's certificate; the host when absent. */
  serverName?: string
}

/**
 * Which daemon. Without any of these the Docker CLI's rules hold: DOCKER_HOST, DOCKER_CONTEXT, the current context of its
 * configuration, `/var/run/docker.sock`.
 */
export interface DockerConnectOptions {
  /** A UNIX socket. */
  socketPath?: string
  /** A name or address, or a URL: `unix://`, `tcp://`, `http://`, `https://`, `ssh://user@host[:port][/socket]`. */
  host?: string
  /** 2375, or 2376 with TLS */
  port?: number
  /** false; true: the certificates of DOCKER_CERT_PATH, or of `~/.docker` */
  tls?: boolean | DockerTlsOptions
  /** One of the Docker CLI's contexts, by name. */
  context?: string
  /** How to log in, for `ssh://`. */
  ssh?: Omit<SSHTarget, 'host' | 'port' | 'username'>
  /** 30_000 milliseconds for a connection, and for the beginning of each answer */
  timeout?: number
}

/** The pool's own options and, for `getClient()` and the short forms, the daemon they mean. */
export interface DockerPoolOptions extends DockerConnectOptions, Pick<HostPoolConfig,
  'enabled' | 'whenExhausted' | 'acquireTimeout' | 'maxQueue' | 'reconnect' | 'autoReconnect' | 'maxReconnectAttempts'
  | 'reconnectDelay' | 'maxRetries' | 'shell'> {
  /** 10 for one daemon */
  maxConnections?: number
  /** 100 execs and calls at once over one connection; each exec has a line of its own */
  channelsPerConnection?: number
  /** 60_000; 0 = never closed for being idle */
  idleTimeout?: number
  /** 0 = no limit */
  maxLifetime?: number
  /** Checks of idle connections by a ping; naming it asks for them. */
  healthCheck?: Omit<HealthCheckConfig, 'command'>
  /** 100 over all daemons */
  maxTotalConnections?: number
  /** 60_000 */
  cleanupInterval?: number
}

/** How a container is entered. */
export interface ContainerOptions {
  /** `user`, `user:group` or their ids; the container's own when absent */
  user?: string
  /** An absolute path; the container's own when absent. A relative or missing directory fails the command. */
  workdir?: string
  /** false */
  privileged?: boolean
}

export interface DockerExecOptions extends ExecOptions, ContainerOptions {}

export interface DockerSpawnOptions extends SpawnOptions, ContainerOptions {}

export interface DockerSessionOptions extends SessionOptions, ContainerOptions {}

export interface DockerResult<T extends string | Buffer = string> extends CommandResult<T> {
  container: string
}

/** An exec in the Engine API's own words. */
export interface ExecSessionOptions {
  /** true */
  AttachStdin?: boolean
  /** true; false drops what comes */
  AttachStdout?: boolean
  /** true; false drops what comes */
  AttachStderr?: boolean
  /** false */
  Tty?: boolean
  /** ['/bin/sh'] */
  Cmd?: string | string[]
  /** `NAME=value` */
  Env?: string[]
  User?: string
  WorkingDir?: string
  Privileged?: boolean
}

/** How an exec session ended; undefined where it had to be ended by force. */
export type ExecSessionResult = SpawnResult

export interface DockerRequestOptions {
  /** Values that are no strings are sent as JSON; undefined ones are left out. */
  query?: Record<string, unknown>
  headers?: Record<string, string>
  /** Bytes and text as they are, anything else as JSON. */
  body?: unknown
  /** Milliseconds for the beginning of the answer; the client's own when absent, 0 = no limit. */
  timeout?: number
  signal?: AbortSignal
}

export interface DockerResponse {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  body: Buffer
}
