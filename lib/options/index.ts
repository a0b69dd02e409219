export { type CheckedExecOptions, checkCommand, checkExecOptions } from './exec'
export { type CheckedTarget, checkTarget } from './target'
export { hostConfig } from './host-config'
export { poolOptions } from './pool-options'
