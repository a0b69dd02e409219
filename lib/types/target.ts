import type { HostPoolConfig } from './pool'

/** How a server's host key is judged before anything secret is sent to it. */
export type HostKeyChecking = 'accept-new' | 'strict' | 'off'

/** Rights on the remote side. Accepted by the types today, refused with ENOTSUP while `enabled` is true. */
export interface SudoOptions {
  enabled: boolean
  password?: string
  user?: string
  passwordMethod?: 'stdin' | 'askpass' | 'echo' | 'secure' | 'secure-askpass'
}

/** One question of a keyboard-interactive login. */
export interface KeyboardInteractivePrompt {
  prompt: string
  echo: boolean
}

/** What a host key verifier is shown. */
export interface HostKey {
  host: string
  port: number
  type: string
  fingerprint: string
}

/** Where a command runs and as whom. Durations are milliseconds. */
export interface SSHTarget {
  /** Host name or address, without user, port or brackets. */
  host: string
  /** 22 */
  port?: number
  /** The local user's name. */
  username?: string
  password?: string
  /** Key text, its bytes, or the path of a key file (`~` is the local home directory). */
  privateKey?: string | Buffer
  /** Opens an encrypted private key. */
  passphrase?: string
  /** 'accept-new' */
  hostKeyChecking?: HostKeyChecking
  /** ~/.ssh/known_hosts */
  knownHostsPath?: string
  /** Pool settings for this target only; they win over the pool's and over `configureHost`. */
  poolConfig?: HostPoolConfig
  /** How commands run here, unless they say otherwise; see `ExecOptions.shell`. */
  shell?: 'login' | 'persistent'

  /**
   * true or 'auto': where nobody listens at `controlPath`, listen there and share our connection with other processes, `ssh`
   * itself included. Not on Windows.
   */
  controlMaster?: boolean | 'auto'
  /**
   * A control socket, with the tokens of ssh (%h %p %r %u %n %l %L %C %d %i %%), `~` and `${VAR}`: where a ControlMaster
   * listens there, commands go over its connection. 'none' = nowhere. Not on Windows.
   */
  controlPath?: string
  /**
   * With `controlMaster`: how long the connection stays open after its last use. A number is milliseconds, text as ssh takes
   * it ('600' seconds, '10m', 'yes'), true = for ever; false = as long as `idleTimeout` says.
   */
  controlPersist?: string | number | boolean

  /** Refused with ENOTSUP today (false is fine). */
  agent?: boolean | string
  /** Refused with ENOTSUP today. */
  certificate?: string | Buffer
  /** Refused with ENOTSUP today. */
  keyboardInteractive?: (prompts: KeyboardInteractivePrompt[]) => Promise<string[]>
  /** Refused with ENOTSUP today. */
  hostKeyVerifier?: (key: HostKey) => boolean | Promise<boolean>
  /** Refused with ENOTSUP today (false is fine). */
  sshConfig?: boolean | string
  /** Refused with ENOTSUP today. */
  jumpHost?: SSHTarget | SSHTarget[] | string
  /** Refused with ENOTSUP today. */
  proxy?: string | { command: string }
  /** Refused with ENOTSUP today while `enabled` is true. */
  sudo?: SudoOptions
}
