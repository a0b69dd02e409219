export interface LeaseOptions {
  /** 0; higher is served first */
  priority?: number
  /** Milliseconds to wait for a connection; absent = the pool's `acquireTimeout`, 0 = no limit but that one */
  timeout?: number
  signal?: AbortSignal
}
