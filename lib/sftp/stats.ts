import type { AttributesRecord, EntryRecord } from '../binding'
import type { SFTPEntry, SFTPFileType, SFTPStats } from '../types'

const TYPES: ReadonlySet<string> = new Set<SFTPFileType>(['file', 'directory', 'symlink', 'other', 'unknown'])

const isType = (word: string): word is SFTPFileType => TYPES.has(word)

class Stats implements SFTPStats {
  readonly type: SFTPFileType
  readonly size: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly atime: Date
  readonly mtime: Date

  constructor(record: AttributesRecord) {
    this.type = isType(record.kind) ? record.kind : 'unknown'
    this.size = record.size ?? 0
    this.mode = record.mode ?? 0
    this.uid = record.uid ?? 0
    this.gid = record.gid ?? 0
    this.atime = new Date((record.atime ?? 0) * 1000)
    this.mtime = new Date((record.mtime ?? 0) * 1000)
  }

  isFile(): boolean {
    return this.type === 'file'
  }

  isDirectory(): boolean {
    return this.type === 'directory'
  }

  isSymbolicLink(): boolean {
    return this.type === 'symlink'
  }
}

class Entry extends Stats implements SFTPEntry {
  readonly name: string
  readonly longname: string

  constructor(record: EntryRecord) {
    super(record.attributes)
    this.name = record.name
    this.longname = record.longname
  }
}

export const toStats = (record: AttributesRecord): SFTPStats => new Stats(record)

export const toEntry = (record: EntryRecord): SFTPEntry => new Entry(record)
