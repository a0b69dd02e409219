export { SSHConnectionPool } from './pool'
