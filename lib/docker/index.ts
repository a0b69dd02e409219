export { DockerConnectionPool } from './pool'
export { DockerClient, type ExchangeOptions } from './client'
export { DockerExchange } from './exchange'
export { ExecSession } from './exec-session'
