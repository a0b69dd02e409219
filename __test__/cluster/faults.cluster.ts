import { describe } from 'vitest'
import { faults } from '../kube/suite/faults'
import { LiveBed, canBeKilled } from '../support/live-bed'

// KUBECONFIG_LIVE's cluster is somebody's: it is not killed, and the report shows these as skipped.
describe.skipIf(!canBeKilled).each(['the API server', 'the kubelet', 'the runtime'] as const)('%s is killed and comes back, on a real cluster', (fault) => {
  faults(() => LiveBed.start(), fault)
})
