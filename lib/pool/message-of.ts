import { describe } from '../options/schema'

/** What a callback of the caller's threw, in words. It may be anything. */
export function messageOf(error: unknown, callback: string): string {
  if (error instanceof Error && typeof error.message === 'string') return error.message === '' ? error.name : error.message
  return typeof error === 'string' ? error : `${callback} threw ${describe(error)}`
}
