// Files over SSH: one file, a directory, streams, resuming, errors.
import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip, gunzipSync } from 'node:zlib'
import { SSHConnectionPool } from '@xec-sh/native'
import { target } from './support/target.mjs'

const here = await mkdtemp(path.join(tmpdir(), 'xec-example-'))
const there = `xec-example-${process.pid}`
await writeFile(path.join(here, 'report.txt'), 'all is well\n')

// #region one
const pool = new SSHConnectionPool()
const sftp = await pool.sftp(target)

await sftp.mkdir(there)
await sftp.upload(path.join(here, 'report.txt'), `${there}/report.txt`)
const { bytes } = await sftp.download(`${there}/report.txt`, path.join(here, 'copy.txt'), { atomic: true })
console.log(bytes, (await readFile(path.join(here, 'copy.txt'), 'utf8')).trim())
// #endregion

await mkdir(path.join(here, 'site/empty'), { recursive: true })
await writeFile(path.join(here, 'site/.htaccess'), 'Deny from all\n')
await writeFile(path.join(here, 'site/index.html'), '<p>hello</p>\n')
await symlink('nowhere', path.join(here, 'site/broken'))

// #region directory
let progress
const report = await sftp.uploadDirectory(path.join(here, 'site'), `${there}/site`, {
  filter: (name) => !name.endsWith('.tmp'),
  // About ten times a second, and once at the end.
  onProgress: (figures) => { progress = figures },
})
console.log(report.files, report.directories, report.bytes, progress)
for (const { path: name, error } of report.failed) console.log(path.basename(name), error.code)
// #endregion

// #region look
for (const entry of (await sftp.readdir(`${there}/site`)).sort((a, b) => (a.name < b.name ? -1 : 1))) {
  console.log(entry.type, entry.name, entry.isFile() ? entry.size : '')
}
await sftp.rename(`${there}/site/index.html`, `${there}/site/home.html`)
await sftp.chmod(`${there}/site/home.html`, 0o640)
console.log((await sftp.stat(`${there}/site/home.html`)).mode.toString(8), await sftp.exists(`${there}/site/index.html`))
// #endregion

// #region streams
await pipeline(
  sftp.createReadStream(`${there}/site/home.html`),
  createGzip(),
  sftp.createWriteStream(`${there}/home.html.gz`, { flags: 'wx' }),
)
console.log(gunzipSync(await sftp.readFile(`${there}/home.html.gz`)).toString().trim())
// #endregion

await writeFile(path.join(here, 'backup'), '')
await truncate(path.join(here, 'backup'), 50_000_000)

// #region resume
const controller = new AbortController()
try {
  await sftp.upload(path.join(here, 'backup'), `${there}/backup`, {
    signal: controller.signal,
    onProgress: () => { controller.abort() },
  })
} catch (error) {
  console.log(error.name, error.phase)
}
const rest = await sftp.upload(path.join(here, 'backup'), `${there}/backup`, { resume: true })
console.log(rest.bytes < 50_000_000, (await sftp.stat(`${there}/backup`)).size)
// #endregion

// #region errors
try {
  await sftp.download('/no/such/file', path.join(here, 'x'))
} catch (error) {
  console.log(error.code, error.kind, error.path)
}
// #endregion

// #region close
await sftp.rmdir(there, { recursive: true })
await sftp.close()
// #endregion
await pool.dispose()
await rm(here, { recursive: true })
