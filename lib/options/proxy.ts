import { InvalidOptionError } from '../errors'
import { nonEmptyText } from './checks'
import { type Check, shape } from './schema'

/** A proxy in parts. */
export type CheckedProxy =
  | { kind: 'socks5' | 'http', host: string, port: number, username?: string, password?: string }
  | { kind: 'command', command: string }

const KINDS: Record<string, { kind: 'socks5' | 'http', port: number }> = {
  'socks5:': { kind: 'socks5', port: 1080 },
  'socks5h:': { kind: 'socks5', port: 1080 },
  'socks:': { kind: 'socks5', port: 1080 },
  'http:': { kind: 'http', port: 80 },
}

/** `'socks5://user:password@host:port'`, `'http://…'`, or `{ command }`. No message repeats it: it may hold a password. */
export const proxy: Check<CheckedProxy> = (value, option) =>
  typeof value === 'string' ? address(nonEmptyText(value, option), option) : command(value, option)

const commandFields = shape({ command: nonEmptyText })

/** The tokens a proxy command knows, `%%` among them. */
const UNKNOWN_TOKEN = /%(?:[^%hnprk]|$)/

function command(value: unknown, option: string): CheckedProxy {
  const line = commandFields(value, option).command
  if (line === undefined) throw new InvalidOptionError(`${option}.command`, 'it is required')
  const unknown = UNKNOWN_TOKEN.exec(line.replaceAll('%%', ''))
  if (unknown !== null) {
    throw new InvalidOptionError(`${option}.command`, 'it knows the tokens %h, %p, %r, %n, %k and %% only')
  }
  return { kind: 'command', command: line }
}

function address(text: string, option: string): CheckedProxy {
  const url = parse(text, option)
  const known = KINDS[url.protocol]
  if (known === undefined) throw new InvalidOptionError(option, 'a proxy\'s address begins with socks5:// or http://')
  if (url.hostname === '') throw new InvalidOptionError(option, 'the proxy\'s address has no host')
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') {
    throw new InvalidOptionError(option, 'a proxy\'s address ends with its port')
  }
  const username = decoded(url.username, option)
  const password = decoded(url.password, option)
  if (known.kind === 'socks5' && [username, password].some((part) => Buffer.byteLength(part) > 255)) {
    throw new InvalidOptionError(option, 'SOCKS5 takes a user name and a password of 255 bytes each')
  }
  return {
    kind: known.kind,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? known.port : Number(url.port),
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
  }
}

function parse(text: string, option: string): URL {
  try {
    return new URL(text)
  } catch {
    throw new InvalidOptionError(option, 'expected an address such as socks5://host:1080 or http://host:3128')
  }
}

function decoded(part: string, option: string): string {
  try {
    const text = decodeURIComponent(part)
    if (!/\p{Cc}/u.test(text)) return text
  } catch {
    // Reported below, like what decodes to nonsense.
  }
  throw new InvalidOptionError(option, 'the user name or password in the proxy\'s address is not well encoded')
}
