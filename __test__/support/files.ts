import { createHash, randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { chmodSync, createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { TEST_USER } from './openssh'

/** A local folder of ours and one that the test user may write to: the servers under test run on this machine. */
export class Folders {
  readonly root = mkdtempSync(join(tmpdir(), 'xec-files-'))
  readonly local = join(this.root, 'local')
  readonly remote = join(this.root, 'remote')

  constructor() {
    chmodSync(this.root, 0o755)
    mkdirSync(this.local)
    mkdirSync(this.remote)
    execFileSync('chown', [TEST_USER, this.remote])
  }

  here(...names: string[]): string {
    return join(this.local, ...names)
  }

  there(...names: string[]): string {
    return join(this.remote, ...names)
  }

  /** A local file; random bytes when only their number is given. */
  write(name: string, content: string | number): string {
    const path = this.here(name)
    writeFileSync(path, typeof content === 'string' ? content : randomBytes(content))
    return path
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
