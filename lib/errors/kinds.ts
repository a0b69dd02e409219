/** What went wrong, in @xec-sh/core's words. */
export type FailureKind =
  | 'command-failed' | 'timeout' | 'connection-lost' | 'connection-refused' | 'authentication'
  | 'not-found' | 'permission-denied' | 'invalid-usage' | 'host-key-mismatch' | 'unknown'

/** How far a command had come. */
export type FailurePhase =
  | 'queue' | 'dial' | 'handshake' | 'authenticate' | 'open-channel' | 'run' | 'transfer' | 'close'

const KINDS: ReadonlySet<string> = new Set<FailureKind>([
  'command-failed', 'timeout', 'connection-lost', 'connection-refused', 'authentication',
  'not-found', 'permission-denied', 'invalid-usage', 'host-key-mismatch', 'unknown',
])

const PHASES: ReadonlySet<string> = new Set<FailurePhase>([
  'queue', 'dial', 'handshake', 'authenticate', 'open-channel', 'run', 'transfer', 'close',
])

const isKind = (text: string): text is FailureKind => KINDS.has(text)
const isPhase = (text: string): text is FailurePhase => PHASES.has(text)

/** A word this version does not know must not break error handling, so it becomes 'unknown'. */
export function toKind(text: string): FailureKind {
  return isKind(text) ? text : 'unknown'
}

export function toPhase(text: string): FailurePhase | undefined {
  return isPhase(text) ? text : undefined
}
