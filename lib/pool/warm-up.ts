import type { NativePool, TargetSpec } from '../binding'
import { type XecNativeError, errorFromFailure } from '../errors'
import type { HostWarmUp, WarmUpReport } from '../types'
import { abortError, linkAbort } from './abort'
import { TargetSet } from './target-set'
import type { ResolvedTarget } from './target-spec'

type Source = Pick<NativePool, 'warmUp'>

/** Connections made ahead of need, as asked for by calls and by settings. */
export class Warmer {
  readonly #source: Source
  readonly #used = new TargetSet()

  constructor(source: Source) {
    this.#source = source
  }

  /** All targets at once; the engine spares each server too many newcomers. */
  async warmUp(targets: readonly ResolvedTarget[], connections?: number, signal?: AbortSignal): Promise<WarmUpReport> {
    const began = performance.now()
    const hosts = await Promise.all(targets.map(({ spec, warmUpConnections }) =>
      this.#warmHost(spec, connections ?? Math.max(1, warmUpConnections), signal)))
    const ready = hosts.reduce((sum, host) => sum + host.ready, 0)
    const requested = hosts.reduce((sum, host) => sum + host.requested, 0)
    return {
      ok: hosts.every((host) => host.ready >= host.requested),
      requested, ready, duration: performance.now() - began, hosts,
    }
  }

  /** A target is being used: `warmUpConnections` counts from the first time. Failures show as events only. */
  noteUse({ spec, warmUpConnections }: ResolvedTarget): void {
    if (warmUpConnections === 0 || !this.#used.add(spec)) return
    this.#warmHost(spec, warmUpConnections, undefined).then(({ error }) => {
      if (error !== undefined) this.#used.delete(spec)
    }, () => { this.#used.delete(spec) })
  }

  /** The target's connections are gone on purpose, so its next use is a first one. */
  forget(spec: TargetSpec): void {
    this.#used.delete(spec)
  }

  forgetAll(): void {
    this.#used.clear()
  }

  async #warmHost(spec: TargetSpec, requested: number, signal: AbortSignal | undefined): Promise<HostWarmUp> {
    const began = performance.now()
    const { host, port } = spec
    let ready = 0
    const error = await this.#attempt(spec, requested, signal, (count) => { ready = count })
    return { host, port, requested, ready, ...(error === undefined ? {} : { error }), duration: performance.now() - began }
  }

  /** Tells how many are ready; resolves to why there are not more. */
  async #attempt(
    spec: TargetSpec, requested: number, signal: AbortSignal | undefined, tell: (ready: number) => void,
  ): Promise<XecNativeError | undefined> {
    if (signal?.aborted === true) return abortError(signal, 'The warm-up was aborted')
    const link = linkAbort(signal)
    try {
      // One first: a login that is refused is then refused once, not as often as connections are wanted.
      for (const count of requested === 1 ? [1] : [1, requested]) {
        const record = await this.#source.warmUp(spec, count, link.token)
        if (record.failure !== undefined) return errorFromFailure(record.failure, { reason: signal?.reason })
        tell(record.ready)
      }
      return undefined
    } finally {
      link.unlink()
    }
  }
}
