// npm run demo [-- user@host[:port] [--key path]]
import { userInfo } from 'node:os'
import { parseArgs } from 'node:util'

export const USAGE = `Usage: npm run demo                                  against a private server on this machine
       npm run demo -- user@host[:port]               against your own, with ~/.ssh keys or a password
       npm run demo -- user@host[:port] --key path    with this private key`

/** `{ server?: { username, host, port }, key? }`; throws with the usage when it is something else. */
export function parseArguments(argv) {
  const { values, positionals } = parse(argv)
  if (positionals.length > 1) throw new Error(`One server at a time.\n${USAGE}`)
  return { ...values, server: positionals[0] === undefined ? undefined : parseServer(positionals[0]) }
}

function parse(argv) {
  try {
    return parseArgs({ args: argv, allowPositionals: true, options: { key: { type: 'string' }, help: { type: 'boolean', short: 'h' } } })
  } catch (error) {
    throw new Error(`${error.message}\n${USAGE}`, { cause: error })
  }
}

// An IPv6 address needs brackets, as in a URL; without them its colons would be ports.
const SERVER = /^(?:(?<username>[^@\s]+)@)?(?:\[(?<address>[0-9a-f:.%]+)\]|(?<name>[^:@\s]+))(?::(?<port>\d{1,5}))?$/i

export function parseServer(text) {
  const parts = SERVER.exec(text)?.groups
  if (parts === undefined) throw new Error(`"${text}" is not user@host[:port].\n${USAGE}`)
  return { username: parts.username ?? userInfo().username, host: parts.address ?? parts.name, port: Number(parts.port ?? 22) }
}
