import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atLeast, find } from './programs.mjs'

test('versions are compared number by number', () => {
  for (const [have, want] of [['1.95.0', '1.95'], ['2.0', '1.99.9'], ['1.100.0', '1.95.0']]) assert.ok(atLeast(have, want), `${have} ${want}`)
  for (const [have, want] of [['1.9.0', '1.95'], ['1.95', '1.95.1'], ['0.99', '1']]) assert.ok(!atLeast(have, want), `${have} ${want}`)
})

test('a program is found where it is, or not at all', () => {
  assert.ok(find('sh')?.endsWith('/sh'))
  assert.equal(find('no-such-program-anywhere'), undefined)
})
