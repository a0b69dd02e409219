import { isIPv6 } from 'node:net'
import { InvalidOptionError } from '../errors'
import type { SSHTarget } from '../types'

/** user@host:port, both ends optional; an IPv6 address that is followed by a port needs its brackets. */
export function parseAddress(text: string): SSHTarget {
  const [, username, place = ''] = /^(?:([^@\s]+)@)?([^@\s]+)$/.exec(text) ?? []
  const [, bracketed, plain, port] = /^(?:\[([^[\]]+)\]|([^:[\]/]+))(?::(\d{1,5}))?$/.exec(place) ?? []
  const host = bracketed ?? plain ?? (isIPv6(place) ? place : undefined)
  if (host === undefined) {
    throw new InvalidOptionError('host', "expected 'host', 'user@host' or 'user@host:port' ('user@[::1]:22' for IPv6)")
  }
  return {
    host,
    ...(username === undefined ? {} : { username }),
    ...(port === undefined ? {} : { port: Number(port) }),
  }
}
