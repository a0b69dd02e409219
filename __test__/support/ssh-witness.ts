import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { type ConfigOutcome, type ConfigRecord, resolveSshConfig } from '../../binding.cjs'

/** Whom both are asked about. */
export interface Question {
  config: string
  host: string
  username?: string
  port?: number
}

/** What both sides say, in the client's words. Lists are in their order. */
export type Answer = Record<string, string[]>

/** The two readers of a configuration: the real client, and ours. */
export class Witness {
  readonly directory = mkdtempSync(join(tmpdir(), 'xec-witness-'))

  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Another file, for an Include; answers its path. */
  file(name: string, text: string): string {
    const path = join(this.directory, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  /** What the real client makes of it; undefined when it refuses. */
  real({ config, host, username, port }: Question): Answer | undefined {
    const path = this.file('config', config)
    const options = [...(username === undefined ? [] : ['-l', username]), ...(port === undefined ? [] : ['-p', String(port)])]
    const { status, stdout } = spawnSync('ssh', ['-G', ...options, '-F', path, '--', host], { encoding: 'utf8', timeout: 10_000 })
    if (status !== 0) return undefined
    const said = new Map<string, string[]>()
    for (const line of stdout.split('\n')) {
      const at = line.indexOf(' ')
      const keyword = line.slice(0, at)
      if (at > 0) said.set(keyword, [...said.get(keyword) ?? [], line.slice(at + 1)])
    }
    return answer((keyword) => said.get(keyword) ?? [])
  }

  ours({ config, host, username, port }: Question): Promise<ConfigOutcome> {
    return resolveSshConfig({
      host, file: this.file('config', config), exec: true,
      ...(username === undefined ? {} : { username }), ...(port === undefined ? {} : { port }),
    })
  }
}

function answer(said: (keyword: string) => string[]): Answer {
  const one = (keyword: string): string => said(keyword)[0] ?? ''
  // The client shows these before it replaces their tokens.
  const tokens = (text: string): string => expand(text, one('hostname'), one('port'), one('user'))
  const identities = said('identityfile')
  const usual = identities.every((file) => /^~\/\.ssh\/id_(rsa|ecdsa|ecdsa_sk|ed25519|ed25519_sk|xmss|dsa)$/.test(file))
  return {
    hostname: said('hostname'),
    user: said('user'),
    port: said('port'),
    identityfile: usual ? [] : identities.filter((file) => file !== 'none').map(tokens),
    certificatefile: said('certificatefile').filter((file) => file !== 'none').map(tokens),
    identitiesonly: said('identitiesonly'),
    identityagent: said('identityagent'),
    proxyjump: said('proxyjump').map(tokens),
    proxycommand: said('proxycommand').map(tokens),
    userknownhostsfile: said('userknownhostsfile').map((files) => (files === USUAL_KNOWN_HOSTS ? 'none' : files)),
    stricthostkeychecking: [CHECKING[one('stricthostkeychecking')] ?? one('stricthostkeychecking')],
    hostkeyalias: said('hostkeyalias'),
    serveraliveinterval: said('serveraliveinterval').filter((seconds) => seconds !== '0'),
    serveralivecountmax: said('serveralivecountmax'),
    connecttimeout: said('connecttimeout').filter((seconds) => seconds !== 'none' && seconds !== '0'),
    globalknownhostsfile: said('globalknownhostsfile').map((files) => (files === USUAL_MACHINES_KNOWN_HOSTS ? 'none' : files)),
    controlmaster: said('controlmaster').map((how) => String(how === 'true' || how === 'auto')),
    controlpath: said('controlpath'),
    controlpersist: said('controlpersist'),
  }
}

const { username: localUser, homedir } = userInfo()
const USUAL_KNOWN_HOSTS = `${homedir}/.ssh/known_hosts ${homedir}/.ssh/known_hosts2`
const USUAL_MACHINES_KNOWN_HOSTS = '/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2'
const persistence = (milliseconds: number): string => (milliseconds < 0 ? 'no' : milliseconds === 0 ? 'yes' : String(milliseconds / 1000))
/** What we can make of the client's answers: there is nobody to ask. */
const CHECKING: Record<string, string> = { true: 'strict', ask: 'strict', false: 'off', off: 'off' }

function expand(text: string, host: string, port: string, user: string): string {
  const values: Record<string, string> = {
    '%': '%', 'h': host, 'p': port, 'r': user, 'u': localUser, 'd': homedir, 'i': String(process.getuid?.()), 'l': hostname(),
    'L': hostname().split('.')[0] ?? '',
  }
  return text.replace(/^~(?=\/|$)/, homedir).replace(/%(.)/g, (token, name: string) => values[name] ?? token)
}

/** Our answer in the client's words, its defaults filled in. */
export function inItsWords(record: ConfigRecord): Answer {
  const { login } = record
  const hop = ({ host, username, port }: { host: string, username?: string, port?: number }): string =>
    `${username === undefined ? '' : `${username}@`}${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`
  const seconds = (milliseconds: number | undefined): string[] =>
    (milliseconds === undefined || milliseconds === 0 ? [] : [String(milliseconds / 1000)])
  return {
    hostname: [record.host],
    user: [record.username ?? localUser],
    port: [String(record.port ?? 22)],
    identityfile: login.identityFiles,
    certificatefile: login.certificateFiles,
    identitiesonly: [login.identitiesOnly === true ? 'yes' : 'no'],
    identityagent: login.identityAgent === undefined ? [] : [login.identityAgent],
    proxyjump: record.jumps === undefined ? [] : [record.jumps.map(hop).join(',')],
    proxycommand: record.proxyCommand === undefined ? [] : [record.proxyCommand],
    userknownhostsfile: [login.knownHostsFiles === undefined || login.knownHostsFiles.length === 0 ? 'none' : login.knownHostsFiles.join(' ')],
    stricthostkeychecking: [record.hostKeyChecking ?? 'strict'],
    hostkeyalias: record.hostKeyAlias === undefined ? [] : [record.hostKeyAlias],
    serveraliveinterval: seconds(record.aliveInterval),
    serveralivecountmax: [String(record.aliveCountMax ?? 3)],
    connecttimeout: seconds(record.connectTimeout),
    globalknownhostsfile: [(login.globalKnownHostsFiles ?? []).join(' ') || 'none'],
    ...sharing(record),
  }
}

function sharing({ controlMaster = false, controlPath, controlPersist = -1 }: ConfigRecord): Answer {
  return {
    controlmaster: [String(controlMaster)],
    controlpath: controlPath === undefined || controlPath === 'none' ? [] : [controlPath],
    controlpersist: [persistence(controlPersist)],
  }
}
