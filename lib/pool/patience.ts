/** How long a call may take, counted from when, and what ends it earlier. */
export interface Patience {
  readonly began: number
  /** Milliseconds; 0 and undefined = no limit. */
  readonly timeout: number | undefined
  readonly signal: AbortSignal | undefined
}

export function patience({ timeout, signal }: { timeout?: number; signal?: AbortSignal }): Patience {
  return { began: performance.now(), timeout, signal }
}

/** Milliseconds of it that are over. */
export function spent({ began }: Patience): number {
  return performance.now() - began
}
