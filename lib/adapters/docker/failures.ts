import { NotFoundError, XecNativeError } from '../../errors'
import { type FailedCommand, detailed, isCommandTimeout } from '../ssh/failures'
import type { DockerShapes } from './shapes'

/** The error of a command or an operation in the classes of @xec-sh/core's contract. The engine's own is its cause. */
export function dockerFailure(error: unknown, { operation = 'execute', ...failed }: FailedCommand, container: string, shapes: DockerShapes): Error {
  if (!(error instanceof XecNativeError)) {
    return shapes.dockerError(container, operation, error instanceof Error ? error : new Error(String(error)), 'unknown')
  }
  if (operation === 'execute' && isCommandTimeout(error, failed.timeout)) {
    return detailed(shapes.timeoutError(failed.command, 'limit' in error && typeof error.limit === 'number' ? error.limit : failed.timeout, error), error)
  }
  const said = inCoresWords(error, container)
  return detailed(shapes.dockerError(container, operation, said, said.kind), said)
}

/** Core's own sentence for what everybody meets. */
export function inCoresWords(error: XecNativeError, container: string): XecNativeError {
  if (error.code !== 'ENOCONTAINER') return error
  const { code, kind, phase, host, reached } = error
  return new NotFoundError({
    code, kind, message: `Container '${container}' not found`, cause: error,
    ...(phase === undefined ? {} : { phase }), ...(host === undefined ? {} : { host }), ...(reached === undefined ? {} : { reached }),
  })
}

/** What the CLI ends with where Docker could not even begin: 127, 126 and 125 as shells and `docker run` use them. */
export function exitCodeOf(error: unknown): number | undefined {
  if (!(error instanceof XecNativeError)) return undefined
  if (/executable file not found|no such file or directory: unknown/i.test(error.message)) return 127
  if (/permission denied: unknown|is a directory: unknown/i.test(error.message)) return 126
  return undefined
}

/** Nothing was begun, and with `nothrow` that is a result: 125, as the CLI ends with then. */
export const NOT_BEGUN: ReadonlySet<string> = new Set(['ENOCONTAINER', 'ENOTRUNNING', 'EPAUSED', 'ENOIMAGE', 'ECONFLICT'])
