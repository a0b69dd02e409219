export { type ShutdownOptions, installShutdownHandlers } from './install'
export type { ClosablePool } from './registry'
