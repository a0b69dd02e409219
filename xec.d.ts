import type { Xec } from './dist/xec/index'

export type { EngineLike, ExecutionEngineConfig, InstallConfig, Installation, NamedAdapter, SSHContext, Xec, XecEngine } from './dist/xec/index'

export declare const install: Xec['install']
export declare const uninstall: Xec['uninstall']
export declare const createEngine: Xec['createEngine']
export declare const $: Xec['$']
