// @xec-sh/core's Kubernetes adapter without kubectl: KUBECONFIG=... node examples/kubernetes-adapter.mjs
// Needs a running pod 'web' with the label app=web and a shell, whose container 'main' listens on port $WEB_PORT.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { ExecutionEngine, createCallableEngine } from '@xec-sh/core'
import { KubernetesAdapter } from '@xec-sh/native'
import { install } from '@xec-sh/native/xec'

const folder = mkdtempSync(path.join(tmpdir(), 'xec-example-'))
const port = Number(process.env.WEB_PORT)

// #region install
const $ = createCallableEngine(new ExecutionEngine())
const { uninstall } = install($, { kubernetes: { defaultTimeout: 30_000 } })
const web = $.k8s({ namespace: 'default' }).pod('web')
console.log(await web.exec`echo ${'one argument; not two'}`.text())
console.log((await web.exec`exit 3`.nothrow()).exitCode)
console.log((await web.logs({ tail: 1 })).trimEnd())
await uninstall()
// #endregion

// #region execute
const adapter = new KubernetesAdapter()
const inPod = (command, options) => adapter.execute({ command, adapterOptions: { type: 'kubernetes', pod: 'web', ...options } })
console.log((await inPod('id -un', { container: 'main' })).text())
console.log((await inPod('hostname >/dev/null && echo selected', { pod: '-l app=web' })).text())
const sorted = await adapter.execute({
  command: 'sort', stdin: 'b\na\n', cwd: '/tmp', env: { LC_ALL: 'C' }, adapterOptions: { type: 'kubernetes', pod: 'web' },
})
console.log(sorted.lines())
// #endregion

// #region logs
const stream = await adapter.streamLogs('web', (line) => { console.log('log:', line.trimEnd()) }, { tail: 2, container: 'main' })
await stream.done
// #endregion

// #region forward
const forward = await adapter.portForward('web', 0, port)
await forward.open()
const page = await fetch(`http://127.0.0.1:${forward.localPort}/`)
console.log(page.status)
await forward.close()
// #endregion

// #region copy
mkdirSync(path.join(folder, 'site'))
writeFileSync(path.join(folder, 'site', 'index.html'), '<p>hello</p>')
await adapter.copyFiles(path.join(folder, 'site'), 'web:/tmp/site', { direction: 'to' })
await adapter.copyFiles('default/web:/tmp/site/index.html', path.join(folder, 'back.html'), { direction: 'from', container: 'main' })
console.log(readFileSync(path.join(folder, 'back.html'), 'utf8'))
// #endregion

// #region kubectl
const { stdout, exitCode } = await adapter.executeKubectl(['get', 'pods', '-l', 'app=web', '-o', 'name'])
console.log(stdout.trim(), exitCode)
console.log(await adapter.getPodFromSelector('app=web'), await adapter.isPodReady('web'))
// #endregion

// #region errors
try {
  await inPod('true', { pod: 'no-such-pod' })
} catch (error) {
  console.log(error.name, error.pod, error.kind, error.cause.code)
}
// #endregion

await adapter.dispose()
rmSync(folder, { recursive: true })
