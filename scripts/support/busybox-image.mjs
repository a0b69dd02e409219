// A small image made of busybox-static: no registry is asked.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { find } from './programs.mjs'

export const IMAGE = 'busybox:latest'

/** What /etc/passwd in it says: an account besides root. */
export const ACCOUNT = { name: 'tester', uid: 1000 }

const FOLDERS = ['bin', 'etc', 'root', 'tmp', 'home/tester']

/** Its root file system as a tar archive, about a megabyte. */
export const busyboxTar = () => rootTar(fill)

/** One static program and nothing else, as images without a distribution are: no sh, no tar. `busybox APPLET` is what it can do. */
export const bareTar = () => rootTar((folder, busybox) => {
  mkdirSync(path.join(folder, 'bin'))
  copyFileSync(busybox, path.join(folder, 'bin/busybox'))
})

function rootTar(make) {
  const busybox = find('busybox')
  if (busybox === undefined) throw new Error('busybox is missing: run "npm run setup -- --servers" or install busybox-static')
  const folder = mkdtempSync(path.join(tmpdir(), 'xec-rootfs-'))
  try {
    make(folder, busybox)
    const owned = ['--owner=0', '--group=0', '--numeric-owner']
    return execFileSync('tar', [...owned, '-C', folder, '-c', '.'], { maxBuffer: 32 * 1024 * 1024 })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function fill(folder, busybox) {
  for (const name of FOLDERS) mkdirSync(path.join(folder, name), { recursive: true, mode: name === 'tmp' ? 0o1777 : 0o755 })
  copyFileSync(busybox, path.join(folder, 'bin/busybox'))
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n').filter((name) => name !== '' && name !== 'busybox')
  for (const name of applets) symlinkSync('busybox', path.join(folder, 'bin', name))
  writeFileSync(path.join(folder, 'etc/passwd'), `root:x:0:0:root:/root:/bin/sh\n${ACCOUNT.name}:x:${ACCOUNT.uid}:${ACCOUNT.uid}::/home/tester:/bin/sh\n`)
  writeFileSync(path.join(folder, 'etc/group'), `root:x:0:\n${ACCOUNT.name}:x:${ACCOUNT.uid}:\n`)
}
