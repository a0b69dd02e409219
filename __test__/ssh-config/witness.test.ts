import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Question, Witness, inItsWords } from '../support/ssh-witness'

let witness: Witness

beforeAll(() => { witness = new Witness() })
afterAll(() => { witness.dispose() })

/** Both must say the same, or both must refuse. */
async function compare(question: Question): Promise<'agreed' | 'refused'> {
  const real = witness.real(question)
  const { resolved, failure } = await witness.ours(question)
  if (real === undefined) {
    expect(failure, `ssh refuses:\n${question.config}`).toMatchObject({ code: 'ESSHCONFIG' })
    return 'refused'
  }
  expect(failure?.message, `ssh accepts:\n${question.config}`).toBeUndefined()
  if (resolved === undefined) throw new Error('neither an answer nor a failure')
  expect(inItsWords(resolved), `host ${question.host}:\n${question.config}`).toEqual(real)
  return 'agreed'
}

const configs: [name: string, config: string, hosts?: string[], given?: Partial<Question>][] = [
  ['nothing', ''],
  ['only comments', '# Host web\n   # more\n\n\t\n'],
  ['a host', 'Host web\n  HostName 10.0.0.1\n  User deploy\n  Port 2222\n'],
  ['the first value wins', 'Host web\n User a\nHost *\n User b\n Port 7\nHost web\n Port 8\n'],
  ['settings before any host', 'User early\nHost web\n User late\n'],
  ['several patterns', 'Host db web cache\n User three\n'],
  ['wildcards', 'Host w*\n User star\nHost ?ther\n User mark\n'],
  ['negation', 'Host * !web\n User others\nHost web\n User web\n'],
  ['negation alone never matches', 'Host !web\n User nobody\n'],
  ['negation after a match', 'Host web !w*\n User nobody\nHost *\n User all\n'],
  ['patterns know upper case', 'Host Web\n User upper\nHost *\n User lower\n', ['web', 'Web']],
  ['identity files add up', 'IdentityFile /a\nHost web\n IdentityFile /b\n IdentityFile /a\nHost *\n IdentityFile /c\n'],
  ['no identity files', 'IdentityFile none\n'],
  ['certificates add up', 'CertificateFile /a-cert.pub\nHost web\n CertificateFile /b-cert.pub\n'],
  ['quotes', 'IdentityFile "/with space/key"\nUser \'single\'\nHostName "quoted.lan"\n'],
  ['escapes', 'IdentityFile /with\\ space/key\nIdentityFile "/with\\"quote"\nCertificateFile /back\\slash\n'],
  ['equals signs', 'User=a\nPort = 23\nHostName  =  eq.lan\nIdentityFile="/k=1"\n'],
  ['comments at the end', 'User a # the admin\nPort 24 #\nIdentityFile /x#y\n'],
  ['odd spelling of keywords', 'hOsTnAmE x.lan\nUSER up\n'],
  ['carriage returns and form feeds', 'User a\r\nPort 25\f\r\nHost web\r\n  HostName cr.lan\r\n'],
  ['HostName with a token', 'Host *\n HostName %h.example.com\n'],
  ['HostName in upper case', 'HostName WEB.Example.COM\n'],
  ['an IPv6 address', 'HostName 2001:DB8:0:0:0:0:0:1\n'],
  ['Match all', 'Match all\n User all\n'],
  ['Match host', 'Match host web,db*\n User m\nMatch host !web,*\n User n\n'],
  ['Match host sees HostName', 'Host web\n HostName real.lan\nMatch host real.lan\n User real\nMatch originalhost web\n Port 26\n'],
  ['Match host knows no upper case', 'Match host WEB\n User m\n', ['web', 'WEB']],
  ['Match user', 'Match user bob\n Port 27\nMatch user root,alice\n Port 28\n', ['web'], { username: 'bob' }],
  ['Match user without one', 'Match user root\n Port 28\nUser x\nMatch user x\n Port 29\n'],
  ['Match localuser', 'Match localuser root\n User local\nMatch localuser nobody\n User other\n'],
  ['negated criteria', 'Match !host web\n User not\nMatch host web !user root\n User neither\nMatch !originalhost db host web\n User both\n'],
  ['several criteria', 'Match host web user root localuser root\n Port 30\n'],
  ['Match final', 'Host web\n HostName target.lan\nMatch final host target.lan\n User fin\nHost target.lan\n Port 31\n'],
  ['Match final all', 'User a\nMatch final all\n User b\n Port 32\n'],
  ['Match !final', 'Match !final host web\n User first\nMatch final\n Port 33\n'],
  ['Match canonical without a reason', 'Match canonical\n User c\nUser d\n'],
  ['Match canonical in the last pass', 'Match canonical all\n User c\nMatch final\n Port 34\n'],
  ['Host in the last pass sees HostName', 'Host web\n HostName last.lan\nHost last.lan\n User seen\nMatch final\n Port 35\n'],
  ['Match exec', 'Match exec "test %n = web"\n User ran\nMatch !exec false\n Port 36\nMatch exec false\n Port 37\n', ['web', 'db']],
  ['a comment behind Match', 'Match host web # the web\n User m\n'],
  ['ProxyJump', 'Host web\n ProxyJump bob@gate:2022\n'],
  ['ProxyJump over several', 'ProxyJump a,b@c:23,[2001:db8::1]:24\n'],
  ['ProxyJump as an address', 'ProxyJump ssh://bob@gate:2022\n'],
  ['ProxyJump none', 'Host web\n ProxyJump none\nHost *\n ProxyJump gate\n', ['web', 'db']],
  ['ProxyJump none before ProxyCommand', 'ProxyJump none\nProxyCommand nc %h %p\nProxyJump gate\n'],
  ['ProxyJump before ProxyCommand', 'ProxyJump gate\nProxyCommand nc %h %p\n'],
  ['ProxyCommand before ProxyJump', 'ProxyCommand nc %h %p # no comment\nProxyJump gate\n'],
  ['ProxyCommand none', 'Host web\n ProxyCommand none\nHost *\n ProxyCommand nc %h %p\n', ['web', 'db']],
  ['ProxyCommand with tokens and quotes', 'ProxyCommand "my nc" -x \'%r@%h\' %p%%\n'],
  ['known hosts', 'UserKnownHostsFile /a /b\nUserKnownHostsFile /c\n'],
  ['known hosts with tokens', 'UserKnownHostsFile ~/kh-%h /k/%r-%p-%u ${HOME}/z\n'],
  ['no known hosts', 'UserKnownHostsFile none\n'],
  ['host key checking', 'Host web\n StrictHostKeyChecking accept-new\nHost db\n StrictHostKeyChecking no\nHost *\n StrictHostKeyChecking yes\n', ['web', 'db', 'x']],
  ['host key alias', 'HostKeyAlias Alias.LAN\n'],
  ['keepalive', 'ServerAliveInterval 1m30\nServerAliveCountMax 7\nConnectTimeout 2h\n'],
  ['keepalive off', 'ServerAliveInterval 0\nConnectTimeout none\n'],
  ['agents', 'Host web\n IdentityAgent none\nHost db\n IdentityAgent ~/agent-%h\nHost *\n IdentityAgent SSH_AUTH_SOCK\n IdentitiesOnly yes\n', ['web', 'db', 'x']],
  ['the machine\'s known hosts', 'Host web\n GlobalKnownHostsFile /g1 ~/g2-%h\nHost db\n GlobalKnownHostsFile none\n'],
  ['sharing', 'Host web\n ControlMaster auto\n ControlPath ~/.ssh/cm-%r@%h:%p-%n-%k-%u-%i-%l-%L-%%\n ControlPersist 10m\nHost *\n ControlPath /other\n HostName %h.lan\n User deploy\n'],
  ['sharing by a hash', 'ControlMaster yes\nControlPath ${HOME}/%C\nControlPersist yes\nPort 2200\nHostName real.lan\n'],
  ['sharing by nobody\'s leave', 'Host web\n ControlMaster no\n ControlPath none\n ControlPersist no\nHost db\n ControlMaster autoask\n ControlPersist 0\nHost *\n ControlMaster ask\n ControlPath /x\n ControlPersist 90\n'],
  ['names with and without dots, found in no domain', 'CanonicalizeHostname yes\nCanonicalDomains corp.invalid lab.invalid\nMatch canonical\n User c\n', ['web', 'a.b', 'a.b.c', 'web.', '::1', '10.0.0.1']],
  ['no name is canonicalised behind a proxy', 'CanonicalizeHostname yes\nCanonicalizeFallbackLocal no\nCanonicalDomains corp.invalid\nProxyCommand nc %h %p\nMatch canonical all\n User c\n', ['web']],
  ['nor behind a jump', 'CanonicalizeHostname yes\nCanonicalizeFallbackLocal no\nProxyJump gate\n', ['web']],
  ['nor where nobody asks', 'CanonicalizeHostname no\nCanonicalizeFallbackLocal no\nCanonicalDomains corp.invalid\nMatch canonical\n User c\n', ['web']],
  ['enough dots', 'CanonicalizeHostname always\nCanonicalizeFallbackLocal no\nCanonicalizeMaxDots 0\nCanonicalDomains none\nMatch canonical host a.b\n User c\n', ['a.b']],
  ['what the caller says wins', 'Host *\n User file\n Port 40\n HostName f.lan\n', ['web'], { username: 'given', port: 41 }],
  ['keywords that are not ours', 'ForwardAgent yes\nCompression yes\nSetEnv A=1 B="2 3"\nUser after\nSendEnv LANG LC_*\nLogLevel ERROR\n'],
]

describe('we say what the real client says', () => {
  it.each(configs)('%s', async (_, config, hosts = ['web', 'other', 'db'], given = {}) => {
    for (const host of hosts) expect(await compare({ config, host, ...given })).toBe('agreed')
  })

  it('Include: inside and outside of blocks, with patterns, nested', async () => {
    const { directory } = witness
    witness.file('inner.conf', 'Port 50\n')
    witness.file('a-1.conf', 'Host web\n User from-a\n')
    witness.file('a-2.conf', `Match host web\n IdentityFile /a2\nInclude ${directory}/inner.conf\n`)
    for (const config of [
      `Include ${directory}/a-*.conf\nUser rest\n`,
      `Host web\n Include ${directory}/a-*.conf\n HostName still.web\nHost *\n User rest\n`,
      `Host nobody\n Include ${directory}/a-*.conf\nHost *\n User rest\n`,
      `Include ${directory}/missing ${directory}/a-[0-1].conf\nUser rest\n`,
      `Include ${directory}/a-[!1].conf "${directory}/in?er.conf"\n`,
    ]) {
      for (const host of ['web', 'other']) expect(await compare({ config, host })).toBe('agreed')
    }
  })
})

const broken = [
  'Port 0\n', 'Port x\n', 'Port 65536\n', 'Port\n', 'User\n', 'Host\n', 'Host ""\n', 'User "open\n', 'User a b\n', 'Match\n', 'Match host\n',
  'Match bogus x\n', 'Match all host x\n', 'Match host x all user y\n', 'StrictHostKeyChecking sometimes\n', 'IdentitiesOnly 2\n',
  'ServerAliveInterval soon\n', 'ServerAliveCountMax many\n', 'ConnectTimeout 5x\n', 'ProxyJump a:0\n', 'ProxyJump @a\n', 'ProxyJump ::1\n', 'ProxyJump a:1:2\n', 'ProxyJump a,,b\n',
  'ControlMaster maybe\n', 'ControlPersist soon\n', 'ControlPath\n', 'ControlPath a b\n', 'CanonicalizeHostname perhaps\n', 'CanonicalDomains\n',
  'CanonicalDomains none a.lan\n', 'CanonicalDomains a.lan none\n', 'CanonicalDomains -a.lan\n', 'CanonicalDomains a..lan\n', 'CanonicalDomains a/lan\n', 'CanonicalizeMaxDots x\n',
  'CanonicalizeFallbackLocal 3\n', 'GlobalKnownHostsFile none /a\n', 'CanonicalizeHostname yes\nCanonicalizeFallbackLocal no\nCanonicalDomains corp.invalid\n',
  'UserKnownHostsFile none /a\n', 'Host other\n Port bad\n', 'IdentityFile\n', 'HostName "a" b\n',
]

describe('we refuse what the real client refuses', () => {
  it.each(broken)('%j', async (config) => {
    expect(await compare({ config, host: 'web' })).toBe('refused')
  })
})

/** The same sequence for the same seed. */
function* numbers(seed: number): Generator<number, never> {
  let state = seed
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state / 2 ** 32
  }
}

function randomConfig(seed: number): string {
  const random = numbers(seed)
  const pick = <T>(from: readonly T[]): T => {
    const found = from[Math.floor(random.next().value * from.length)]
    if (found === undefined) throw new Error('nothing to pick from')
    return found
  }
  const pattern = (): string => pick(['web', 'db', '*', 'w*', '?b', '!web', '!db', 'real.lan', '*.lan', '!*.lan'])
  const criterion = (): string => pick(['host', '!host', 'originalhost', 'user', '!user', 'localuser']) + pick([' ', '=', ' = '])
    + pick(['web', 'web,db', 'root', 'bob,root', '!web,*', '*.lan', 'WEB'])
  const setting = (): string => pick([
    `User ${pick(['a', 'bob', '"c-d"', 'root'])}`, `Port ${pick(['22', '2200', '77'])}`, `HostName ${pick(['real.lan', '%h.lan', 'REAL.lan', '10.1.1.1'])}`,
    `IdentityFile ${pick(['/k1', '~/k2', '/k-%h-%r', '"/k 3"', 'none'])}`, `CertificateFile ${pick(['/c1', '/c2-%p'])}`,
    `ProxyJump ${pick(['gate', 'a@b:1,c', 'none', '%h-gate'])}`, `ProxyCommand ${pick(['nc %h %p', 'none', 'x %r # y'])}`,
    `UserKnownHostsFile ${pick(['/kh', '/kh1 ~/kh2', 'none', '/kh-%h'])}`, `StrictHostKeyChecking ${pick(['yes', 'no', 'accept-new', 'ask', 'off'])}`,
    `HostKeyAlias ${pick(['x', 'Y.lan'])}`, `ServerAliveInterval ${pick(['0', '5', '1m', '1h1s'])}`, `ServerAliveCountMax ${pick(['1', '9'])}`,
    `ControlMaster ${pick(['yes', 'no', 'auto', 'ask'])}`, `ControlPath ${pick(['/c-%h-%r', '~/c', 'none', '/c-%n-%p'])}`, `ControlPersist ${pick(['yes', 'no', '0', '1m'])}`,
    `GlobalKnownHostsFile ${pick(['/gkh', '/g1 /g2', 'none'])}`, `CanonicalizeHostname ${pick(['no', 'no', 'yes', 'always'])}`, `CanonicalDomains ${pick(['none', 'corp.invalid'])}`,
    `CanonicalizeMaxDots ${pick(['0', '2'])}`, `CanonicalizeFallbackLocal ${pick(['yes', 'yes', 'no'])}`,
    `ConnectTimeout ${pick(['3', 'none', '1m'])}`, `IdentitiesOnly ${pick(['yes', 'no', 'TRUE'])}`, `IdentityAgent ${pick(['none', '/ag-%h', 'SSH_AUTH_SOCK'])}`,
    '# nothing', '', 'Compression yes',
  ])
  const block = (): string => pick([
    () => `Host ${pattern()}`, () => `Host ${pattern()} ${pattern()} ${pattern()}`, () => `Match ${criterion()}`,
    () => `Match ${criterion()} ${criterion()}`, () => 'Match all', () => 'Match final', () => `Match final ${criterion()}`,
    () => `Match !final ${criterion()}`, () => 'Match canonical all',
  ])()
  return Array.from({ length: 3 + Math.floor(random.next().value * 14) }, () =>
    (random.next().value < 0.3 ? block() : `${pick(['', '  ', '\t'])}${setting()}`)).join('\n') + '\n'
}

describe('random configurations', () => {
  it('are read alike', async () => {
    for (let seed = 1; seed <= Number(process.env["XEC_SEEDS"] ?? 150); seed += 1) {
      const config = randomConfig(seed)
      await compare({ config, host: seed % 3 === 0 ? 'db' : 'web', ...(seed % 5 === 0 ? { username: 'bob' } : {}) })
    }
  }, 120_000)
})
