export { ConnectionPool } from './connection-pool'
export { SSHConnectionPool } from './pool'
