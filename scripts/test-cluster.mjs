// npm run test:cluster: the cluster suite on a real Kubernetes. KUBECONFIG_LIVE names another cluster's kubeconfig; without it, one is
// built (10 minutes, once) and started here.
import { ensure } from './support/debian.mjs'
import { main } from './support/main.mjs'
import { tryNpx } from './support/npm.mjs'
import { BUILD_TOOLS, REAL_CLUSTER, RealCluster, build, buildFolder, isBuilt } from './support/real-cluster/real-cluster.mjs'
import { endAll } from './support/run.mjs'
import { setup } from './support/setup.mjs'
import { done, elapsed, step } from './support/terminal.mjs'

/** Kills parts of the cluster. */
const FAULTS = 'faults.cluster.ts'

await main(async () => {
  await setup()
  if (process.env.KUBECONFIG_LIVE !== undefined) return suite()
  await ensure(REAL_CLUSTER)
  if (!isBuilt()) {
    await ensure(BUILD_TOOLS)
    step(`building Kubernetes 1.20.2 in ${buildFolder()}, about 10 minutes …`)
    await build()
  }
  // These replace the handlers that would end the cluster without its clean-up: the suite ends, and then everything else does.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal).once(signal, () => endAll())
  const start = performance.now()
  step('starting etcd, kube-apiserver, kubelet and containerd …')
  const cluster = await RealCluster.start()
  done(`a cluster is at ${cluster.url} (${elapsed(performance.now() - start)})`)
  try {
    return await suite({
      KUBECONFIG_LIVE: cluster.kubeconfig, KUBE_LIVE_NODE: cluster.node, KUBE_LIVE_IMAGE: cluster.image, KUBE_LIVE_BARE_IMAGE: cluster.bareImage,
      KUBE_LIVE_CONTROL: cluster.control,
    })
  } finally {
    await cluster.stop()
    done('it is gone')
  }
})

async function suite(env = {}) {
  Object.assign(process.env, env)
  const run = async (...which) => (await tryNpx('vitest', 'run', '--config', 'vitest.cluster.config.mts', ...which)).code ?? 1
  const codes = [await run('--exclude', `**/${FAULTS}`)]
  // It breaks the cluster, so it has it for itself.
  codes.push(await run(FAULTS))
  return codes.find((code) => code !== 0) ?? 0
}
