/**
 * A private dockerd. It fails loudly where it cannot be started, in CI as anywhere: a suite that did not run proves nothing.
 * The scripts' own, because benchmarks and people start one as well.
 */
export { Dockerd } from '../../scripts/support/dockerd.mjs'
export type { ContainerProcess, ContainerSpec, PrivateEngine } from '../../scripts/support/private-engine.mjs'
