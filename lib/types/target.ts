import type { HostPoolConfig } from './pool'

/** How a server's host key is judged before anything secret is sent to it. */
export type HostKeyChecking = 'accept-new' | 'strict' | 'off'

/** Commands run as somebody else, by the server's sudo and in its `/bin/sh`. */
export interface SudoOptions {
  enabled: boolean
  /** The one sudo asks for, usually the login user's own. Without it, sudo must not need any. */
  password?: string
  /** 'root' */
  user?: string
  /** 'askpass', which `'secure'` and `'secure-askpass'` mean as well; `'echo'` means `'stdin'`. */
  passwordMethod?: 'stdin' | 'askpass' | 'echo' | 'secure' | 'secure-askpass'
}

/** One question of a keyboard-interactive login. */
export interface KeyboardInteractivePrompt {
  prompt: string
  /** May the answer be seen while it is typed? False for passwords and codes. */
  echo: boolean
}

/** What a server says beside its questions; both are often empty. */
export interface KeyboardInteractiveInfo {
  name: string
  instructions: string
}

/** Resolves to one answer for each prompt. A server may ask several times. */
export type KeyboardInteractive = (
  prompts: KeyboardInteractivePrompt[], info: KeyboardInteractiveInfo,
) => string[] | Promise<string[]>

/** What a host key verifier is shown. The server has proven by then that it holds the key. */
export interface HostKey {
  host: string
  port: number
  /** As in known_hosts: 'ssh-ed25519'. */
  type: string
  /** 'SHA256:' and the hash, as `ssh` prints it. */
  fingerprint: string
  /** The key itself, in the base64 of known_hosts. */
  key: string
}

/** Trusts a host key (true) or refuses it (false). */
export type HostKeyVerifier = (key: HostKey) => boolean | Promise<boolean>

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
  /** An OpenSSH user certificate for one of the keys: its text, its bytes, or a path. `<key file>-cert.pub` is found without it. */
  certificate?: string | Buffer
  /**
   * ssh-agent: `true` for the one at SSH_AUTH_SOCK, a path for another one, `false` for none. Without this it is used
   * when no credentials are given.
   */
  agent?: boolean | string
  /** Of the agent's keys offer only the one that `privateKey` names, which may then be a public key. */
  identitiesOnly?: boolean
  /** Answers a server's questions, as for one-time passwords. Called for every new connection. */
  keyboardInteractive?: KeyboardInteractive
  /** 'accept-new' */
  hostKeyChecking?: HostKeyChecking
  /** ~/.ssh/known_hosts and the other files that `ssh` reads; with a path, that file alone. */
  knownHostsPath?: string
  /** Decides in place of known_hosts, which is neither read nor written then. Must answer within `connectionTimeout`. */
  hostKeyVerifier?: HostKeyVerifier
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
   * A control socket, with the tokens of ssh (%h %n %k %p %r %u %d %i %l %L %C %j %%), `~` and `${VAR}`: where a ControlMaster
   * listens there, commands go over its connection. 'none' = nowhere. Not on Windows.
   */
  controlPath?: string
  /**
   * With `controlMaster`: how long the connection stays open after its last use. A number is milliseconds, text as ssh takes
   * it ('600' seconds, '10m', 'yes'), true = for ever; false = as long as `idleTimeout` says.
   */
  controlPersist?: string | number | boolean

  /** true: what ~/.ssh/config and /etc/ssh/ssh_config say about `host`; a path: what only that file says. */
  sshConfig?: boolean | string
  /** false; true lets `Match exec` lines of the configuration run their commands */
  sshConfigExec?: boolean
  /** Hosts to go through, the first one first: targets of their own, or addresses as `'user@host:port,host2'`. */
  jumpHost?: SSHTarget | (SSHTarget | string)[] | string
  /** `'socks5://user:password@host:port'`, `'http://…'`, or a command whose input and output lead to the server. */
  proxy?: string | { command: string }
  /** Run commands as somebody else. */
  sudo?: SudoOptions
}
