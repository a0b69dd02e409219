import { type CandidateRecord, type SftpAnswer, TransferToken, type TreeRecord } from '../binding'
import { errorFromFailure } from '../errors'
import { onAbort } from '../on-abort'
import { abortError } from '../pool/abort'
import type { DirectoryTransferOptions, DirectoryTransferResult, TransferProgress } from '../types'
import { settled } from './answer'

interface Options {
  onProgress?: (progress: TransferProgress) => void
  signal?: AbortSignal
}

/** A transfer under way. A callback that throws ends it, and its error is the transfer's. */
export class Transfer {
  readonly token: TransferToken
  readonly #options: Options
  #thrown: { error: unknown } | undefined

  constructor(options: Options) {
    this.#options = options
    // The engine holds this function, and would hold with it the transfer, which holds the token that the engine's side is.
    const weak = new WeakRef<Transfer>(this)
    this.token = new TransferToken(options.onProgress === undefined ? undefined : () => {
      const transfer = weak.deref()
      if (transfer !== undefined) transfer.#report()
    })
  }

  async run(start: (token: TransferToken) => Promise<SftpAnswer>): Promise<SftpAnswer> {
    const { signal } = this.#options
    if (signal?.aborted === true) throw abortError(signal, 'The transfer was aborted before it began')
    const unlink = signal === undefined ? undefined : onAbort(signal, () => { this.token.cancel() })
    try {
      return await settled(start(this.token), signal)
    } finally {
      unlink?.()
      this.token.settle()
      this.#report()
      this.#rethrow()
    }
  }

  /** Calls the caller's code; nothing it throws may get into the engine's thread. */
  guard<T>(work: () => T, instead: T): T {
    if (this.#thrown !== undefined) return instead
    try {
      return work()
    } catch (error) {
      this.#thrown = { error }
      this.token.cancel()
      return instead
    }
  }

  #report(): void {
    this.guard(() => this.#options.onProgress?.(this.token.progress()), undefined)
  }

  #rethrow(): void {
    if (this.#thrown !== undefined) throw this.#thrown.error
  }
}

/** The engine's filter for the caller's: one call for many entries. */
export function filterOf(
  { filter }: DirectoryTransferOptions, transfer: Transfer,
): ((candidates: CandidateRecord[]) => boolean[]) | undefined {
  if (filter === undefined) return undefined
  return (candidates) => candidates.map(({ path, directory }) => transfer.guard(() => isTrue(filter(path, directory)), false))
}

/** A caller without types may answer with anything. */
const isTrue = (answer: unknown): boolean => Boolean(answer)

export function toReport({ files, directories, symlinks, bytes, failed }: TreeRecord): DirectoryTransferResult {
  return {
    files, directories, symlinks, bytes, failed: failed.map(({ path, failure }) => ({ path, error: errorFromFailure(failure) })),
  }
}
