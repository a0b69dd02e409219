// Where the examples run: SSH_TARGET=user@host[:port], with SSH_KEY (a path) or SSH_PASSWORD, and perhaps SSH_KNOWN_HOSTS.
const { SSH_TARGET, SSH_KEY, SSH_PASSWORD, SSH_KNOWN_HOSTS } = process.env

const [, username, host, port = '22'] = /^([^@]+)@(.+?)(?::(\d+))?$/.exec(SSH_TARGET ?? '') ?? []
if (host === undefined) throw new Error('Say where to run this: SSH_TARGET=user@host[:port] SSH_KEY=~/.ssh/id_ed25519 node examples/…')

export const target = {
  host, port: Number(port), username, privateKey: SSH_KEY, password: SSH_PASSWORD, knownHostsPath: SSH_KNOWN_HOSTS,
}
