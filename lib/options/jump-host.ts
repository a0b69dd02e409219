import { InvalidOptionError } from '../errors'
import { hostName, nonEmptyText } from './checks'
import { type Check, describe } from './schema'

/** A host on the way, as `user@host:port` names it. */
export interface HopAddress {
  host: string
  username?: string
  port?: number
  /** Not said as an object, which would speak for itself. */
  isAddress: true
}

/** More hops than anybody has; a longer list is a mistake. */
export const MOST_HOPS = 16

/** `'user@host:port,host2'`: first hop first. */
export function hopAddresses(text: string, option: string): HopAddress[] {
  return nonEmptyText(text, option).split(',').map((hop) => hopAddress(hop.trim(), option))
}

const PLACE = /^(?:ssh:\/\/)?(?:(?<username>[^@]+)@)?(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:@[\]]+))(?::(?<port>\d{1,5}))?$/

function hopAddress(hop: string, option: string): HopAddress {
  const { username, bracketed, plain, port } = PLACE.exec(hop)?.groups ?? {}
  const host = bracketed ?? plain
  if (host === undefined) throw new InvalidOptionError(option, 'expected hosts such as user@host:port, separated by commas')
  if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535)) {
    throw new InvalidOptionError(option, 'a port is a number from 1 to 65535')
  }
  return {
    isAddress: true,
    host: hostName(host, option),
    ...(username === undefined ? {} : { username }),
    ...(port === undefined ? {} : { port: Number(port) }),
  }
}

/** One hop as a target, several, or their addresses. `target` checks one that is given as an object. */
export function jumpHosts<T>(target: Check<T>): Check<(T | HopAddress)[]> {
  return (value, option) => {
    const hops = Array.isArray(value)
      ? value.flatMap((hop: unknown, index) => oneOrMore(hop, `${option}[${index}]`, target))
      : oneOrMore(value, option, target)
    if (hops.length === 0) throw new InvalidOptionError(option, 'expected at least one host')
    if (hops.length > MOST_HOPS) throw new InvalidOptionError(option, `expected at most ${MOST_HOPS} hosts`)
    return hops
  }
}

function oneOrMore<T>(value: unknown, option: string, target: Check<T>): (T | HopAddress)[] {
  if (typeof value === 'string') return hopAddresses(value, option)
  if (typeof value === 'object' && value !== null) return [target(value, option)]
  throw new InvalidOptionError(option, `expected a host, an object or an array of them, got ${describe(value)}`)
}
