export { executeSSHCommand, existingGlobalPool, getGlobalPool } from './global-pool'
export type { HostLike, NamedHost } from './host'
