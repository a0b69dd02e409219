import { createHash } from 'node:crypto'
import type { TargetSpec } from '../binding'

/** Targets, told apart as the pool does: by place, user and credentials. Holds digests, so it keeps no secret alive. */
export class TargetSet {
  readonly #digests = new Set<string>()

  /** Answers whether it was not there yet. */
  add(spec: TargetSpec): boolean {
    const digest = digestOf(spec)
    if (this.#digests.has(digest)) return false
    this.#digests.add(digest)
    return true
  }

  delete(spec: TargetSpec): void {
    if (this.#digests.size > 0) this.#digests.delete(digestOf(spec))
  }

  clear(): void {
    this.#digests.clear()
  }
}

function digestOf(spec: TargetSpec): string {
  return createHash('sha256').update(JSON.stringify({ ...spec, settings: undefined })).digest('base64')
}
