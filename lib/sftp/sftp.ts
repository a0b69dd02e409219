import type { Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type { NativeSftp } from '../binding'
import { XecNativeError } from '../errors'
import {
  checkDownloadOptions, checkMkdirOptions, checkMode, checkOverwrite, checkPath, checkReadStreamOptions, checkRecursive,
  checkTreeOptions, checkUploadOptions, checkWriteStreamOptions,
} from '../options'
import type {
  DirectoryTransferOptions, DirectoryTransferResult, DownloadOptions, SFTPEntry, SFTPReadStreamOptions, SFTPStats,
  SFTPWriteStreamOptions, TransferResult, UploadOptions,
} from '../types'
import { part, settled } from './answer'
import { SFTPReadStream } from './read-stream'
import { toEntry, toStats } from './stats'
import { Transfer, filterOf, toReport } from './transfer'
import { SFTPWriteStream } from './write-stream'

/**
 * Files on a server. Remote paths are relative to the home directory, as is `~`. Calls may run at the same time; each
 * rejects with an XecNativeError that has the path. Get one with `pool.sftp(target)`.
 */
export class SFTP implements AsyncDisposable {
  readonly #native: NativeSftp

  /** @internal */
  constructor(native: NativeSftp) {
    this.#native = native
  }

  /** Sends a file; nothing of it passes through JavaScript. */
  async upload(local: string, remote: string, options?: UploadOptions): Promise<TransferResult> {
    const [from, to] = [checkPath(local, 'local'), checkPath(remote, 'remote')]
    const checked = checkUploadOptions(options)
    const { atomic = false, resume = false, preserve = false, parents = false, sync = false, mode } = checked
    const spec = { atomic, resume, preserve, parents, sync, mode }
    const { bytes } = await new Transfer(checked).run((token) => this.#native.upload(from, to, spec, token))
    return { bytes: part(bytes) }
  }

  /** Fetches a file; nothing of it passes through JavaScript. */
  async download(remote: string, local: string, options?: DownloadOptions): Promise<TransferResult> {
    const [from, to] = [checkPath(remote, 'remote'), checkPath(local, 'local')]
    const checked = checkDownloadOptions(options)
    const { atomic = false, resume = false, preserve = false, sync = false } = checked
    const spec = { atomic, resume, preserve, sync }
    const { bytes } = await new Transfer(checked).run((token) => this.#native.download(from, to, spec, token))
    return { bytes: part(bytes) }
  }

  /**
   * Sends what is in a directory into a remote one, which is made when it is missing. Resolves with a report in which
   * everything that failed stands; rejects only when nothing could begin, and on abort.
   */
  async uploadDirectory(local: string, remote: string, options?: DirectoryTransferOptions): Promise<DirectoryTransferResult> {
    const [from, to] = [checkPath(local, 'local'), checkPath(remote, 'remote')]
    const checked = checkTreeOptions(options)
    const transfer = new Transfer(checked)
    const { report } = await transfer.run((token) =>
      this.#native.uploadTree(from, to, treeSpec(checked), token, filterOf(checked, transfer)))
    return toReport(part(report))
  }

  /** As `uploadDirectory`, the other way. Nothing is written outside `local`, whatever the server shows. */
  async downloadDirectory(remote: string, local: string, options?: DirectoryTransferOptions): Promise<DirectoryTransferResult> {
    const [from, to] = [checkPath(remote, 'remote'), checkPath(local, 'local')]
    const checked = checkTreeOptions(options)
    const transfer = new Transfer(checked)
    const { report } = await transfer.run((token) =>
      this.#native.downloadTree(from, to, treeSpec(checked), token, filterOf(checked, transfer)))
    return toReport(part(report))
  }

  createReadStream(path: string, options?: SFTPReadStreamOptions): Readable {
    return new SFTPReadStream(this.#native, checkPath(path, 'path'), checkReadStreamOptions(options))
  }

  createWriteStream(path: string, options?: SFTPWriteStreamOptions): Writable {
    return new SFTPWriteStream(this.#native, checkPath(path, 'path'), checkWriteStreamOptions(options))
  }

  readFile(path: string): Promise<Buffer>
  readFile(path: string, encoding: BufferEncoding): Promise<string>
  async readFile(path: string, encoding?: BufferEncoding): Promise<Buffer | string> {
    const bytes = await buffer(this.createReadStream(path))
    return encoding === undefined ? bytes : bytes.toString(encoding)
  }

  async writeFile(path: string, data: string | Uint8Array, options?: SFTPWriteStreamOptions): Promise<void> {
    await pipeline([typeof data === 'string' ? Buffer.from(data) : data], this.createWriteStream(path, options))
  }

  /** Of the target, where it is a symbolic link. */
  async stat(path: string): Promise<SFTPStats> {
    return toStats(part((await this.#ask('stat', path)).attributes))
  }

  /** Of the link itself, where it is one. */
  async lstat(path: string): Promise<SFTPStats> {
    return toStats(part((await this.#ask('lstat', path)).attributes))
  }

  /** false when there is nothing of that name, or a link that leads nowhere. Other failures reject. */
  async exists(path: string): Promise<boolean> {
    try {
      await this.stat(path)
      return true
    } catch (error) {
      if (error instanceof XecNativeError && error.code === 'ENOENT') return false
      throw error
    }
  }

  /** All entries but '.' and '..', in the server's order; links are not followed. */
  async readdir(path: string): Promise<SFTPEntry[]> {
    return part((await this.#ask('readdir', path)).entries).map(toEntry)
  }

  /** With `recursive`, missing ones above it are made, and one that exists is fine. */
  async mkdir(path: string, options?: { recursive?: boolean; mode?: number }): Promise<void> {
    const { recursive = false, mode } = checkMkdirOptions(options)
    await settled(this.#native.mkdir(checkPath(path, 'path'), mode, recursive))
  }

  /** The directory must be empty, unless `recursive` says that all that is in it goes too. */
  async rmdir(path: string, options?: { recursive?: boolean }): Promise<void> {
    await this.#ask(checkRecursive(options) ? 'rm' : 'rmdir', path)
  }

  /** Removes a file or a link; with `recursive` also a directory with all that is in it. */
  async remove(path: string, options?: { recursive?: boolean }): Promise<void> {
    await this.#ask(checkRecursive(options) ? 'rm' : 'remove', path)
  }

  /** Refused with EEXIST when there is something of the new name, unless `overwrite` says that it is replaced. */
  async rename(from: string, to: string, options?: { overwrite?: boolean }): Promise<void> {
    await settled(this.#native.rename(checkPath(from, 'from'), checkPath(to, 'to'), checkOverwrite(options)))
  }

  async chmod(path: string, mode: number): Promise<void> {
    await settled(this.#native.change(checkPath(path, 'path'), checkMode(mode, 'mode')))
  }

  async chown(path: string, uid: number, gid: number): Promise<void> {
    await settled(this.#native.change(checkPath(path, 'path'), undefined, [uid, gid]))
  }

  async utimes(path: string, atime: Date, mtime: Date): Promise<void> {
    const seconds = (time: Date): number => Math.floor(time.getTime() / 1000)
    await settled(this.#native.change(checkPath(path, 'path'), undefined, undefined, [seconds(atime), seconds(mtime)]))
  }

  /** A link at `path` that says `target`; a relative target is relative to the link. */
  async symlink(target: string, path: string): Promise<void> {
    await settled(this.#native.symlink(checkPath(target, 'target'), checkPath(path, 'path')))
  }

  async readlink(path: string): Promise<string> {
    return part((await this.#ask('readlink', path)).path)
  }

  /** The absolute path, without '.', '..' and links. */
  async realpath(path: string): Promise<string> {
    return part((await this.#ask('realpath', path)).path)
  }

  get closed(): boolean {
    return this.#native.closed
  }

  /** Ends the session; what was asked for before is done, what is asked for afterwards is refused. */
  close(): Promise<void> {
    return this.#native.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #ask(what: string, path: string): ReturnType<typeof settled> {
    return settled(this.#native.ask(what, checkPath(path, 'path')))
  }
}

function treeSpec({ concurrency = 32, symlinks = 'follow', atomic = false, preserve = false }: DirectoryTransferOptions) {
  return { concurrency, symlinks, atomic, preserve }
}
