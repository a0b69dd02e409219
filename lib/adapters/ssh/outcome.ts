import { XecNativeError } from '../../errors'
import { type Mask, maskBytes } from '../../masking'
import type { CommandResult } from '../../types'
import type { AdapterCommand } from './command'
import type { ResultFields } from './execution-result'
import { type FailedCommand, isCommandTimeout } from './failures'
import { deliver } from './output'

/** A call of any adapter, as far as its result is concerned. */
export interface Outcome {
  command: AdapterCommand
  mask: Mask
  config: { encoding: BufferEncoding }
  failed: FailedCommand
  startedAt: Date
  where: Pick<ResultFields, 'adapter' | 'host' | 'container'>
}

/** The fields of the result for a command that ran to its end. */
export async function endedFields(call: Outcome, ended: CommandResult<Buffer>): Promise<ResultFields> {
  const { mask, command, config: { encoding } } = call
  const stdout = await deliver(ended.stdout, command.stdout, process.stdout, mask, encoding)
  const stderr = await deliver(ended.stderr, command.stderr, process.stderr, mask, encoding)
  const { stdall = stdout } = ended
  return {
    ...commonFields(call),
    stdout: mask(stdout.toString(encoding)),
    stderr: mask(stderr.toString(encoding)),
    stdall: () => mask(stdall.toString(encoding)),
    bytes: () => maskBytes(stdout, mask),
    exitCode: ended.exitCode,
    signal: ended.signal,
  }
}

/** With `nothrow`, a command that ran out of time or was aborted is a result. Other failures stay errors. */
export function cutShortFields(call: Outcome, error: unknown): ResultFields | undefined {
  if (call.command.nothrow !== true || !(error instanceof XecNativeError)) return undefined
  // 124 is what timeout(1) says, 143 is 128 + SIGTERM.
  if (isCommandTimeout(error, call.failed.timeout)) return partialFields(call, error, 124)
  if (error.code === 'ABORT_ERR') return partialFields(call, error, 143)
  return undefined
}

export function partialFields(call: Outcome, error: XecNativeError, exitCode: number): ResultFields {
  const stdout = toBytes(error.stdout)
  const text = call.mask(stdout.toString(call.config.encoding))
  const message = call.mask(error.message)
  return {
    ...commonFields(call),
    stdout: text,
    stderr: message,
    stdall: () => text + message,
    bytes: () => maskBytes(stdout, call.mask),
    exitCode,
    signal: exitCode === 124 || exitCode === 143 ? 'SIGTERM' : undefined,
  }
}

function commonFields(call: Outcome): Pick<ResultFields, 'command' | 'startedAt' | 'finishedAt' | 'adapter' | 'host' | 'container'> {
  return { command: call.failed.command, startedAt: call.startedAt, finishedAt: new Date(), ...call.where }
}

/** The output an error carries is masked like the output of a result. */
export function maskPartialOutput(error: unknown, mask: Mask): void {
  if (!(error instanceof XecNativeError)) return
  for (const name of ['stdout', 'stderr'] as const) {
    const output = error[name]
    if (output === undefined) continue
    Object.defineProperty(error, name, { value: maskBytes(toBytes(output), mask), enumerable: false, configurable: true })
  }
}

function toBytes(output: string | Buffer = Buffer.alloc(0)): Buffer {
  return typeof output === 'string' ? Buffer.from(output) : output
}
