import type { SftpAnswer } from '../binding'
import { errorFromFailure } from '../errors'

/** What the engine answered, or its failure thrown. */
export async function settled(answer: Promise<SftpAnswer>, signal?: AbortSignal): Promise<SftpAnswer> {
  const settledAnswer = await answer
  if (settledAnswer.failure !== undefined) throw errorFromFailure(settledAnswer.failure, { reason: signal?.reason })
  return settledAnswer
}

/** The part of an answer that a question was for. */
export function part<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('the engine answered another question')
  return value
}
