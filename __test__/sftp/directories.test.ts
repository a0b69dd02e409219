import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { failureOf } from '../support/failure'
import type { TransferProgress } from '../support/native'
import { folders, sftp, withSFTP } from '../support/sftp'

withSFTP()

/** Not readdir's own recursion, which goes through links. */
function within(root: string, prefix = ''): string[] {
  return readdirSync(join(root, prefix)).flatMap((name) => {
    const path = join(prefix, name)
    return lstatSync(join(root, path)).isDirectory() ? [path, ...within(root, path)] : [path]
  })
}

/** Path, type, mode and content of everything in a tree. */
function tree(root: string): string[] {
  return within(root).sort().map((name) => {
    const found = lstatSync(join(root, name))
    const mode = (found.mode & 0o777).toString(8)
    if (found.isSymbolicLink()) return `${name} -> ${readlinkSync(join(root, name))}`
    return found.isDirectory() ? `${name}/ ${mode}` : `${name} ${mode} ${readFileSync(join(root, name), 'base64')}`
  })
}

function makeTree(root: string): void {
  mkdirSync(join(root, 'a/b c/empty'), { recursive: true })
  mkdirSync(join(root, '.hidden-dir'))
  for (const [name, content] of [['.hidden', 'h'], ['a/one', '1'], ['a/b c/ünïcode', 'ü'], ['.hidden-dir/x', ''], ['a/line\nbreak', 'n']] as const) {
    writeFileSync(join(root, name), content)
  }
  chmodSync(join(root, 'a/one'), 0o750)
}

describe('whole directories', () => {
  it('2,000 files there and back, with modes and times', async () => {
    for (let dir = 0; dir < 20; dir += 1) {
      mkdirSync(folders.here(`src/d${dir}`), { recursive: true })
      for (let index = 0; index < 100; index += 1) folders.write(`src/d${dir}/f${index}`, 10 * index)
      chmodSync(folders.here(`src/d${dir}/f7`), 0o400)
      utimesSync(folders.here(`src/d${dir}/f8`), 1e9, 1e9)
      utimesSync(folders.here(`src/d${dir}`), 1e9, 1e9)
    }
    const bytes = 20 * 49_500
    expect(await sftp.uploadDirectory(folders.here('src'), folders.there('dst'), { preserve: true }))
      .toEqual({ files: 2000, directories: 21, symlinks: 0, bytes, failed: [] })
    expect(await sftp.downloadDirectory(folders.there('dst'), folders.here('back'), { preserve: true }))
      .toEqual({ files: 2000, directories: 21, symlinks: 0, bytes, failed: [] })
    expect(tree(folders.there('dst'))).toEqual(tree(folders.here('src')))
    expect(tree(folders.here('back'))).toEqual(tree(folders.here('src')))
    for (const path of [folders.there('dst/d3'), folders.here('back/d3'), folders.here('back/d3/f8')]) expect(statSync(path).mtimeMs).toBe(1e12)
  })

  it('keeps dotfiles, empty directories and strange names', async () => {
    makeTree(folders.here('src'))
    await sftp.uploadDirectory(folders.here('src'), folders.there('deep/er/dst'), { preserve: true })
    expect(tree(folders.there('deep/er/dst'))).toEqual(tree(folders.here('src')))
    await sftp.downloadDirectory(folders.there('deep/er/dst'), folders.here('deep/er/back'), { preserve: true })
    expect(tree(folders.here('deep/er/back'))).toEqual(tree(folders.here('src')))
  })

  it('goes into directories that exist, and again', async () => {
    makeTree(folders.here('src'))
    const first = await sftp.uploadDirectory(folders.here('src'), folders.there('dst'))
    expect(await sftp.uploadDirectory(folders.here('src'), folders.there('dst'))).toEqual(first)
    expect(await sftp.downloadDirectory(folders.there('dst'), folders.here('src'))).toEqual(first)
  })

  it('names that are no text survive', async () => {
    mkdirSync(folders.here('src'))
    writeFileSync(Buffer.concat([Buffer.from(folders.here('src/')), Buffer.from([0xff, 0x41])]), 'bytes')
    await sftp.uploadDirectory(folders.here('src'), folders.there('dst'))
    await sftp.downloadDirectory(folders.there('dst'), folders.here('back'))
    expect(readdirSync(folders.here('back'), { encoding: 'buffer' })).toEqual([Buffer.from([0xff, 0x41])])
  })

  it('reports each file that failed, and copies the others', async () => {
    makeTree(folders.here('src'))
    execFileSync('mkfifo', [folders.here('src/pipe')])
    symlinkSync('/no/such/file', folders.here('src/dangling'))
    mkdirSync(folders.there('dst/a'), { recursive: true })
    mkdirSync(folders.there('dst/a/one'))
    execFileSync('chown', ['-R', 'xectest', folders.there('dst')])
    const { files, failed } = await sftp.uploadDirectory(folders.here('src'), folders.there('dst'))
    expect(files).toBe(4)
    expect(failed.map(({ path, error }) => [path, error]).sort()).toEqual([
      [folders.here('src/a/one'), expect.objectContaining({ code: 'EFAILURE', path: folders.there('dst/a/one') })],
      [folders.here('src/dangling'), expect.objectContaining({ code: 'ENOENT', kind: 'not-found' })],
      [folders.here('src/pipe'), expect.objectContaining({ code: 'EINVAL' })],
    ])
  })

  it('reports what may not be read on the server, and copies the others', async () => {
    makeTree(folders.there('src'))
    execFileSync('chmod', ['000', folders.there('src/a/one'), folders.there('src/.hidden-dir')])
    execFileSync('mkfifo', [folders.there('src/pipe')])
    const { files, failed } = await sftp.downloadDirectory(folders.there('src'), folders.here('dst'))
    expect(files).toBe(3)
    expect(failed.map(({ path, error }) => [path, error]).sort()).toEqual([
      [folders.there('src/.hidden-dir'), expect.objectContaining({ code: 'EACCES', kind: 'permission-denied' })],
      [folders.there('src/a/one'), expect.objectContaining({ code: 'EACCES' })],
      [folders.there('src/pipe'), expect.objectContaining({ code: 'EINVAL' })],
    ])
  })

  it('rejects when nothing could begin', async () => {
    mkdirSync(folders.here('src'))
    expect(await failureOf(sftp.uploadDirectory(folders.here('no'), folders.there('dst')))).toMatchObject({ code: 'ENOENT', path: folders.here('no') })
    expect(existsSync(folders.there('dst'))).toBe(false)
    expect(await failureOf(sftp.uploadDirectory(folders.here('src'), '/proc/xec/dst'))).toMatchObject({ phase: 'transfer', path: '/proc/xec' })
    expect(await failureOf(sftp.downloadDirectory(folders.there('no'), folders.here('dst')))).toMatchObject({ code: 'ENOENT' })
    expect(existsSync(folders.here('dst'))).toBe(false)
  })

  it('asks the filter about everything, and skips what it does not want', async () => {
    makeTree(folders.here('src'))
    const asked: string[] = []
    const filter = (path: string, isDirectory: boolean): boolean => {
      asked.push(isDirectory ? `${path}/` : path)
      return path !== 'a/b c' && path !== '.hidden'
    }
    expect(await sftp.uploadDirectory(folders.here('src'), folders.there('dst'), { filter })).toMatchObject({ files: 3, directories: 3, failed: [] })
    expect(asked.sort()).toEqual(['.hidden', '.hidden-dir/', '.hidden-dir/x', 'a/', 'a/b c/', 'a/line\nbreak', 'a/one'])
    expect(await sftp.downloadDirectory(folders.there('dst'), folders.here('back'), { filter: (path) => !path.startsWith('a') }))
      .toMatchObject({ files: 1, directories: 2 })
    const broken = sftp.uploadDirectory(folders.here('src'), folders.there('dst'), { filter: () => { throw new Error('from a filter') } })
    await expect(broken).rejects.toThrow('from a filter')
  })

  it('progress counts files and bytes of the whole', async () => {
    makeTree(folders.here('src'))
    const seen: TransferProgress[] = []
    await sftp.uploadDirectory(folders.here('src'), folders.there('dst'), { onProgress: (progress) => seen.push(progress) })
    expect(seen.at(-1)).toEqual({ transferred: 5, total: 5, files: 5, failed: 0 })
  })
})

describe('symbolic links in directories', () => {
  function withLinks(root: string): void {
    mkdirSync(join(root, 'real'), { recursive: true })
    writeFileSync(join(root, 'real/file'), 'x')
    symlinkSync('real/file', join(root, 'to-file'))
    symlinkSync('real', join(root, 'to-dir'))
    symlinkSync('..', join(root, 'real/loop'))
  }

  it('follow, the default: what they point to is copied; loops are reported', async () => {
    withLinks(folders.here('src'))
    const up = await sftp.uploadDirectory(folders.here('src'), folders.there('dst'))
    const copied = ['real/', 'real/file', 'to-dir/', 'to-dir/file', 'to-file']
    const names = (root: string): string[] => tree(root).map((line) => line.split(' ')[0] ?? '')
    expect(names(folders.there('dst'))).toEqual(copied)
    expect(up.failed.map(({ path }) => path).sort()).toEqual([folders.here('src/real/loop'), folders.here('src/to-dir/loop')])
    withLinks(folders.there('linked'))
    const down = await sftp.downloadDirectory(folders.there('linked'), folders.here('back'))
    expect(names(folders.here('back'))).toEqual(copied)
    expect(down.failed.map(({ error }) => error)).toEqual([expect.objectContaining({ code: 'ELOOP' }), expect.objectContaining({ code: 'ELOOP' })])
  })

  it('recreate: links that say the same; skip: none', async () => {
    withLinks(folders.here('src'))
    for (const times of [1, 2]) {
      expect(await sftp.uploadDirectory(folders.here('src'), folders.there('dst'), { symlinks: 'recreate' }), `${times}`)
        .toEqual({ files: 1, directories: 2, symlinks: 3, bytes: 1, failed: [] })
      expect(await sftp.downloadDirectory(folders.there('dst'), folders.here('back'), { symlinks: 'recreate' }))
        .toEqual({ files: 1, directories: 2, symlinks: 3, bytes: 1, failed: [] })
    }
    const names = (root: string): string[] => tree(root).map((line) => line.replace(/ [0-7]{3}.*/, ''))
    expect(names(folders.there('dst'))).toEqual(names(folders.here('src')))
    expect(names(folders.here('back'))).toEqual(names(folders.here('src')))
    expect(await sftp.uploadDirectory(folders.here('src'), folders.there('none'), { symlinks: 'skip' }))
      .toEqual({ files: 1, directories: 2, symlinks: 0, bytes: 1, failed: [] })
  })
})
