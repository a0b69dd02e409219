import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { KEPT, Lingering, SILENCE, THINKING } from '../../lib/kube/lingering'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

test('one that hears nothing is cut in the end; what it hears gives it the whole time again', () => {
  const lingering = new Lingering()
  const cut = vi.fn()
  const one = lingering.add(cut, true)
  vi.advanceTimersByTime(THINKING - 1)
  for (let times = 0; times < 3; times++) {
    one.heard()
    vi.advanceTimersByTime(SILENCE - 1)
  }
  expect(one.isCut).toBe(false)
  vi.advanceTimersByTime(1)
  expect(cut).toHaveBeenCalledOnce()
  expect(one.isCut).toBe(true)
  one.heard()
  vi.advanceTimersByTime(2 * THINKING)
  expect(cut).toHaveBeenCalledOnce()
})

test('one that was answered before it ended its side is given less time', () => {
  const cut = vi.fn()
  new Lingering().add(cut, false)
  vi.advanceTimersByTime(SILENCE)
  expect(cut).toHaveBeenCalledOnce()
})

test('of too many the one is cut that has heard nothing for the longest time', () => {
  const lingering = new Lingering()
  const cuts = Array.from({ length: KEPT + 1 }, () => vi.fn())
  const all = cuts.slice(0, KEPT).map((cut) => {
    vi.advanceTimersByTime(1)
    return lingering.add(cut, true)
  })
  vi.advanceTimersByTime(1)
  all[0]?.heard()
  const last = cuts[KEPT]
  if (last !== undefined) lingering.add(last, true)
  expect(cuts.map((cut) => cut.mock.calls.length)).toEqual(cuts.map((_, index) => (index === 1 ? 1 : 0)))
  expect(all[1]?.isCut).toBe(true)
})

test('one that is over makes room, and is never cut', () => {
  const lingering = new Lingering()
  const cut = vi.fn()
  for (let times = 0; times < 3 * KEPT; times++) lingering.add(cut, true).end()
  vi.advanceTimersByTime(2 * THINKING)
  expect(cut).not.toHaveBeenCalled()
})
