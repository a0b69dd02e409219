import type { DockerClient } from '../../docker'

/** What the adapter's operations share. */
export interface Room {
  client: DockerClient
  /** As DOCKER_HOST has it; `undefined`: what the CLI would use by itself. */
  url: string | undefined
  /** Milliseconds for what is answered at once; 0 = no limit */
  managementTimeout: number
  /** Milliseconds for what moves data: builds, pulls, copies, compose; 0 = no limit */
  transferTimeout: number
  /** Bytes of what is collected. */
  maxBuffer: number
}
