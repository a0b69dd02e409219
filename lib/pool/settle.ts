import type { ExecOutcome } from '../binding'
import { CommandFailedError, errorFromFailure } from '../errors'
import { maskSecrets } from '../masking'
import type { CheckedExecOptions, CheckedTarget } from '../options'
import type { CommandResult } from '../types'
import { commandResult, decoder } from './result'

/** What the caller gets for the engine's answer: a result, or an error thrown. */
export function settle(
  target: Pick<CheckedTarget, 'host'>, command: string, options: CheckedExecOptions, outcome: ExecOutcome,
): CommandResult<string | Buffer> {
  const decode = decoder(options.encoding)
  if (outcome.failure !== undefined) {
    throw errorFromFailure(outcome.failure, { command, decode, reason: options.signal?.reason })
  }
  if (outcome.output === undefined) throw new TypeError('the engine answered with neither output nor failure')
  const result = commandResult(command, target.host, outcome.output, decode)
  if (options.throwOnNonZeroExit === true && !result.ok) throw new CommandFailedError(maskSecrets(command), result)
  return result
}
