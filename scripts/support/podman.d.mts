import { PrivateEngine } from './private-engine.mjs'

export class Podman extends PrivateEngine {
  static start(options?: { image?: boolean }): Promise<Podman>
  readonly kind: 'podman'
}
