/** What a promise rejects with. One that resolves fails the test. */
export async function failureOf<T extends Error>(type: abstract new (...args: never[]) => T, promise: Promise<unknown>): Promise<T> {
  const error: unknown = await promise.then(() => new Error('it resolved'), (reason: unknown) => reason)
  if (error instanceof type) return error
  throw new Error(`expected a ${type.name}`, { cause: error })
}

/** Code and kind of what is behind core's error. */
export const causeOf = (error: { originalError: Error }): unknown => ('code' in error.originalError ? error.originalError.code : undefined)
