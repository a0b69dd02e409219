// npm run kube [-- --v4]: a private cluster until Ctrl-C; prints what KUBECONFIG has to be.
import { once } from 'node:events'
import { CLUSTER, ensure } from './support/debian.mjs'
import { Cluster } from './support/kube/cluster.mjs'
import { main } from './support/main.mjs'
import { say } from './support/terminal.mjs'

/** Says something every second, so that there are logs to look at. */
const TALKER = ['sh', '-c', 'i=0; while true; do echo line $i; i=$((i+1)); sleep 1; done']

await main(async () => {
  await ensure(CLUSTER)
  const cluster = await Cluster.start({ streaming: process.argv.includes('--v4') ? 'v4' : 'v5' })
  // These replace the handlers that would end the cluster without its clean-up.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal)
  try {
    await cluster.pod({ name: 'web', labels: { app: 'web' }, containers: [{ name: 'main', command: TALKER }, { name: 'side' }] })
    say(`export KUBECONFIG=${cluster.kubeconfig()}`)
    say('kubectl exec web -c side -- echo hello')
    say('Ctrl-C ends it and removes everything it had.')
    // A timer, because nothing else here is sure to keep a process alive.
    const alive = setInterval(() => {}, 60_000)
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), once(process, 'SIGHUP')])
    clearInterval(alive)
  } finally {
    await cluster.stop()
  }
})
