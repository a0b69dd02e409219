// Commands, logs, forwards and copies in a cluster. KUBECONFIG says which, WEB_PORT where its pod `web` listens.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KubernetesConnectionPool, XecNativeError } from '@xec-sh/native'

// #region exec
const pool = new KubernetesConnectionPool({ kubeconfig: process.env.KUBECONFIG })
const k8s = pool.createContext({ namespace: 'default' })

const { stdout, exitCode } = await k8s.exec('web', 'echo "$GREETING from $PWD"; exit 3', { env: { GREETING: 'hello' }, cwd: '/tmp' })
console.log(stdout.trim(), exitCode)
const counted = await k8s.exec({ selector: 'app=web' }, ['wc', '-c'], { stdin: 'twelve bytes' })
console.log(counted.pod, counted.stdout.trim())
// #endregion

// #region spawn
const process_ = k8s.spawn('web', 'for i in 1 2; do echo "step $i"; done')
for await (const line of process_) console.log(line)
// #endregion

// #region session
const session = await k8s.session('web', { cwd: '/www' })
await session.execute('name=$(basename "$PWD")')
console.log((await session.execute('echo "still in $name"')).stdout.trim())
await session.close()
// #endregion

// #region logs
const logs = k8s.followLogs('web')
for await (const line of logs) {
  console.log(line)
  if (line === 'ready') break
}
console.log((await k8s.logs('web', { tail: 1 })).trim())
// #endregion

// #region forward
const forward = await k8s.portForward('web', { local: 0, remote: Number(process.env.WEB_PORT) })
const page = await fetch(`http://127.0.0.1:${forward.localPort}/`)
console.log(page.status, (await page.text()).trim())
await forward.close()
// #endregion

// #region copy
const folder = await mkdtemp(join(tmpdir(), 'kubernetes-example-'))
await writeFile(join(folder, 'note'), 'copied')
const report = await k8s.copyTo(join(folder, 'note'), 'web', '/tmp/note')
await k8s.copyFrom('web', '/tmp/note', join(folder, 'back'))
console.log(report.files, await readFile(join(folder, 'back'), 'utf8'))
await rm(folder, { recursive: true })
// #endregion

// #region pods
const [pod] = await k8s.listPods({ selector: 'app=web' })
console.log(pod.name, pod.phase, pod.ready)
await k8s.waitForPod('web', { for: 'ready', timeout: 10_000 })
// #endregion

// #region errors
try {
  await k8s.exec('nobody', 'true')
} catch (error) {
  if (!(error instanceof XecNativeError)) throw error
  console.log(error.code, error.kind, error.reached)
}
// #endregion

await pool.dispose()
