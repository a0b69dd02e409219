import type { Xec } from './dist/xec/index.js'

export type { EngineLike, ExecutionEngineConfig, InstallConfig, Installation, NamedAdapter, SSHContext, Xec, XecEngine } from './dist/xec/index.js'

export declare const install: Xec['install']
export declare const uninstall: Xec['uninstall']
export declare const createEngine: Xec['createEngine']
export declare const $: Xec['$']
