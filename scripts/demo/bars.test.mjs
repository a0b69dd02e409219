import assert from 'node:assert/strict'
import { test } from 'node:test'
import { histogram, percentile } from './bars.mjs'

test('every value is in one class, and the borders are round', () => {
  const values = [3.2, 4.1, 7.7, 12, 18.9, 33]
  const classes = histogram(values, 6)
  assert.equal(classes.reduce((sum, { count }) => sum + count, 0), values.length)
  assert.deepEqual(classes.map(({ from }) => from), [0, 10, 20, 30])
})

test('values that are all the same make one class', () => {
  assert.equal(histogram([5, 5, 5], 6).length, 1)
})

test('percentiles of a sorted list', () => {
  assert.deepEqual([0, 0.5, 1].map((share) => percentile([1, 2, 3, 4], share)), [1, 3, 4])
})
