/** Podman's service: the second implementation of Docker's API that the suites meet. */
export { Podman } from '../../scripts/support/podman.mjs'
