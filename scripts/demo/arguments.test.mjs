import assert from 'node:assert/strict'
import { userInfo } from 'node:os'
import { test } from 'node:test'
import { parseArguments, parseServer } from './arguments.mjs'

test('a server is user, host and port, each with its default', () => {
  assert.deepEqual(parseServer('me@box:2222'), { username: 'me', host: 'box', port: 2222 })
  assert.deepEqual(parseServer('box'), { username: userInfo().username, host: 'box', port: 22 })
  assert.deepEqual(parseServer('me@[::1]:2200'), { username: 'me', host: '::1', port: 2200 })
})

test('anything else is refused with the usage', () => {
  for (const text of ['', 'a b', '@box', 'me@', 'box:', 'box:port', '::1']) assert.throws(() => parseServer(text), /Usage/, text)
  assert.throws(() => parseArguments(['one', 'two']), /Usage/)
  assert.throws(() => parseArguments(['--unknown']), /Usage/)
})

test('without arguments there is no server', () => {
  assert.equal(parseArguments([]).server, undefined)
})
