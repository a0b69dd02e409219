import { PrivateEngine } from './private-engine.mjs'

export interface DockerdOptions {
  /** Further places to listen at, as `tcp://127.0.0.1:2375`. */
  hosts?: string[]
  /** More for dockerd's command line. */
  options?: string[]
  /** Its daemon.json. */
  config?: object
  /** true: with the busybox image */
  image?: boolean
}

export class Dockerd extends PrivateEngine {
  static start(options?: DockerdOptions): Promise<Dockerd>
  readonly kind: 'docker'
}
