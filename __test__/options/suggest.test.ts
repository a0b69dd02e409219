import { expect, it } from 'vitest'
import { nearest } from '../../lib/options/suggest'

const known = ['host', 'port', 'username', 'privateKey', 'maxConnections', 'connectionTimeout']

it.each([
  ['hots', 'host'], ['Host', 'host'], ['user_name', 'username'], ['privatekey', 'privateKey'], ['maxConections', 'maxConnections'],
  ['conectionTimout', 'connectionTimeout'],
])('%s is probably %s', (name, meant) => {
  expect(nearest(name, known)).toBe(meant)
})

it.each(['zzz', 'frobnicate', ''])('%j is like none of them', (name) => {
  expect(nearest(name, known)).toBeUndefined()
})
