import { isAbsolute } from 'node:path'
import { InvalidOptionError } from '../../errors'

/** What `-v` takes, as the API has it: checked, because a daemon takes a relative path for a volume's name. */
export function checkBind(text: string, option: string): string {
  const [source = '', target] = text.split(':')
  if (target === undefined) throw new InvalidOptionError(option, 'expected \'source:target\', with the target\'s path in the container')
  if (!target.startsWith('/')) throw new InvalidOptionError(option, 'the path in the container must be absolute')
  const isName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(source)
  if (!isName && !isAbsolute(source)) {
    throw new InvalidOptionError(option, 'the source must be an absolute path or the name of a volume')
  }
  return text
}

export interface PortFields {
  ExposedPorts: Record<string, object>
  PortBindings: Record<string, { HostIp?: string; HostPort: string }[]>
}

const PORT = /^(?:(?:(?<address>\[[0-9a-fA-F:]+\]|[0-9.]+):)?(?<host>\d*(?:-\d+)?):)?(?<inside>\d+)(?:\/(?<protocol>tcp|udp|sctp))?$/

/** What `-p` takes: `8080:80`, `127.0.0.1:8080:80/udp`, `80`. */
export function portFields(ports: readonly string[], option: string): PortFields {
  const found: PortFields = { ExposedPorts: {}, PortBindings: {} }
  for (const [index, text] of ports.entries()) {
    const { address, host = '', inside, protocol = 'tcp' } = PORT.exec(text)?.groups ?? {}
    if (inside === undefined || Number(inside) > 65_535) {
      throw new InvalidOptionError(`${option}[${index}]`, 'expected \'[[address:]port:]port[/protocol]\'')
    }
    const name = `${inside}/${protocol}`
    found.ExposedPorts[name] = {}
    const bindings = found.PortBindings[name] ??= []
    bindings.push({ ...(address === undefined ? {} : { HostIp: address.replace(/[[\]]/g, '') }), HostPort: host })
  }
  return found
}
