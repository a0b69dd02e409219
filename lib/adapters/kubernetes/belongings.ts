import type { LogStream } from './logs'
import type { KubernetesPortForward } from './port-forward'

/** What runs beside commands, until its owner or `dispose()` ends it. */
export class Belongings {
  readonly forwards = new Set<KubernetesPortForward>()
  readonly #streams = new Set<LogStream>()

  keep(stream: LogStream): void {
    this.#streams.add(stream)
    const forget = (): void => { this.#streams.delete(stream) }
    stream.done.then(forget, forget)
  }

  async end(): Promise<void> {
    for (const stream of this.#streams) stream.stop()
    await Promise.all([...this.forwards].map((forward) => forward.close()))
  }
}
