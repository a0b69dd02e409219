import type * as CoreModule from '@xec-sh/core' with { 'resolution-mode': 'import' }

/** The types of the user's own @xec-sh/core; nothing of it is loaded here. */
export type Core = typeof CoreModule
export type {
  CallableExecutionEngine, Command, ExecutionEngineConfig, ProcessPromise, SSHExecutionContext,
} from '@xec-sh/core' with { 'resolution-mode': 'import' }

/** The part of an engine that `install` needs. Both `$` and an ExecutionEngine have it. */
export interface EngineLike {
  registerAdapter(name: string, adapter: object): void
  getAdapter(name: string): object | undefined
  readonly config: { get(): object }
}
