/**
 * A private cluster: a real containerd behind an API server of ours. It fails loudly where it cannot be started, in CI as anywhere: a
 * suite that did not run proves nothing. The scripts' own, because benchmarks and people start one as well.
 */
export { Cluster, writeKubeconfig } from '../../scripts/support/kube/cluster.mjs'
export type { ApiRequest, ContainerSpec, Credentials, PodSpec, Streaming } from '../../scripts/support/kube/cluster.mjs'
