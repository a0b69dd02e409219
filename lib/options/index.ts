export { parseAddress } from './address'
export { checkApiRequest } from './api-request'
export { type CheckedExecOptions, checkCommand, checkContainerCommand, checkExecOptions } from './exec'
export { type CheckedFleetOptions, checkDrainOptions, checkFleetOptions, checkTargets, checkWarmUpOptions } from './fleet'
export { type CheckedForward, checkDynamicForward, checkLocalForward, checkRemoteForward } from './forward'
export { type HopAddress, MOST_HOPS } from './jump-host'
export { type CheckedProxy } from './proxy'
export { type CheckedSudo } from './sudo'
export { type CheckedHop, type CheckedTarget, checkTarget } from './target'
export { hostConfig } from './host-config'
export { poolOptions } from './pool-options'
export {
  checkDownloadOptions, checkMkdirOptions, checkMode, checkOverwrite, checkPath, checkReadStreamOptions, checkRecursive,
  checkSFTPOptions, checkTreeOptions, checkUploadOptions, checkWriteStreamOptions,
} from './sftp'
export { checkHealthLimit, checkKeepAlive, checkLeaseOptions } from './lease'
export { type CheckedSpawnOptions, checkSignal, checkSpawnOptions, checkTerminalSize } from './spawn'
export {
  checkContainer, checkDockerConnect, checkDockerExec, checkDockerPool, checkDockerSession,
  checkDockerSpawn, checkExecSession,
} from './docker'
export { checkExecuteOptions, checkSessionOptions } from './session'
export {
  type CheckedKubernetesContext, type CheckedKubernetesPool, type CheckedLogs, type CheckedPodExec, type ForwardTarget, checkFollowLogs, checkForwardTarget,
  checkKubernetesContext, checkKubernetesPool, checkListPods, checkCopyPath, checkPod, checkPodCopy,
  checkPodExec, checkPodLogs, checkPodName, checkPodSession, checkPodSpawn, checkPortForward, checkWaitForPod,
} from './kube'
