/** How an SFTP session behaves. */
export interface SFTPOptions {
  /** 0; higher is served first while callers wait for a connection. */
  priority?: number
  /** Gives up on opening it. */
  signal?: AbortSignal
  /**
   * 60_000 milliseconds that the server may say nothing while an answer is due; then the session ends with ETIMEDOUT.
   * 0 = as long as the connection lives.
   */
  timeout?: number
}

/** How far a transfer is. */
export interface TransferProgress {
  /** Bytes; those that a resumed transfer found there included. */
  transferred: number
  /** Bytes; grows while a directory is being walked. */
  total: number
  /** Files that are done. */
  files: number
  /** Files that failed. */
  failed: number
}

interface TransferOptions {
  /** Called about ten times a second, and once at the end. */
  onProgress?: (progress: TransferProgress) => void
  signal?: AbortSignal
  /** false; true writes under another name beside it and renames it when it is complete. */
  atomic?: boolean
  /** false; true copies mode and times as they are. */
  preserve?: boolean
}

interface FileTransferOptions extends TransferOptions {
  /** false; true goes on behind what is there. Sizes are compared, contents are not. */
  resume?: boolean
  /** false; true waits until the bytes are on the disk, where the other side can say so. */
  sync?: boolean
}

export interface UploadOptions extends FileTransferOptions {
  /** The mode of a new file; by default the one it has here. The server's umask applies. */
  mode?: number
  /** false; true makes the directories that are missing. */
  parents?: boolean
}

export type DownloadOptions = FileTransferOptions

export interface TransferResult {
  /** What had to be transferred: without what was there already. */
  bytes: number
}

export interface DirectoryTransferOptions extends TransferOptions {
  /** 32 files at a time */
  concurrency?: number
  /** 'follow' copies what a link points to, 'recreate' makes a link that says the same, 'skip' leaves links out. */
  symlinks?: 'follow' | 'recreate' | 'skip'
  /** Says whether an entry is wanted. Its path begins at the root of the tree; without a directory goes all that is in it. */
  filter?: (path: string, isDirectory: boolean) => boolean
}

export interface DirectoryTransferResult {
  files: number
  directories: number
  symlinks: number
  bytes: number
  /** Everything that was not copied, by its path at the source, and why. Empty when all went well. */
  failed: { path: string; error: Error }[]
}

export type SFTPFileType = 'file' | 'directory' | 'symlink' | 'other' | 'unknown'

/** What is known of a remote file. What the server does not tell is 0. */
export interface SFTPStats {
  type: SFTPFileType
  size: number
  /** Type and permission bits. */
  mode: number
  uid: number
  gid: number
  atime: Date
  mtime: Date
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

export interface SFTPEntry extends SFTPStats {
  name: string
  /** As `ls -l` would print it. */
  longname: string
}

export interface SFTPReadStreamOptions {
  /** First and last byte, both included, as for `fs.createReadStream`. */
  start?: number
  end?: number
  encoding?: BufferEncoding
  signal?: AbortSignal
  /** 1 MiB that may wait for the reader. */
  highWaterMark?: number
}

export interface SFTPWriteStreamOptions {
  /** 'w' empties the file, 'wx' refuses one that exists, 'a' appends, 'r+' writes into one that exists. */
  flags?: 'w' | 'wx' | 'a' | 'r+'
  /** Where to begin; not with 'a'. */
  start?: number
  /** 0o666 for a new file; the server's umask applies. */
  mode?: number
  signal?: AbortSignal
  /** 1 MiB that may wait for the server. */
  highWaterMark?: number
}
