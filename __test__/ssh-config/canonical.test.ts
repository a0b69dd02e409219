import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** CanonicalizeHostname, beside the real client, on a machine that knows a few names (for that it needs root). */

/** As the resolver asks for them: a dot at the end means that no other domain is tried. */
const HOSTS = '127.0.0.1 localhost web.corp.test. db.lab.test. full.name.test. a.b.lab.test.\n127.0.0.1 cdn.example.net www.corp.test. shop\n'
const DOMAINS = 'CanonicalDomains corp.test LAB.test.\n'

interface Question { name: string, host: string, config: string, answer: string[] | 'refused' }

const ask = (name: string, host: string, config: string, answer: string[] | 'refused'): Question => ({ name, host, config, answer })

const questions = [
  ask('the first domain that knows it', 'web', `CanonicalizeHostname yes\n${DOMAINS}`, ['web.corp.test', 'root', '22']),
  ask('the second one', 'DB', `CanonicalizeHostname yes\n${DOMAINS}`, ['db.lab.test', 'root', '22']),
  ask('none', 'cache', `CanonicalizeHostname yes\n${DOMAINS}`, ['cache', 'root', '22']),
  ask('none, which is forbidden', 'cache', `CanonicalizeHostname yes\nCanonicalizeFallbackLocal no\n${DOMAINS}`, 'refused'),
  ask('a full name with its dot', 'full.name.test.', 'CanonicalizeHostname yes\n', ['full.name.test', 'root', '22']),
  ask('one that is not known', 'void.name.test.', 'CanonicalizeHostname yes\n', ['void.name.test.', 'root', '22']),
  ask('one dot, which is allowed', 'a.b', `CanonicalizeHostname yes\n${DOMAINS}`, ['a.b.lab.test', 'root', '22']),
  ask('one dot too many', 'a.b', `CanonicalizeHostname yes\nCanonicalizeMaxDots 0\n${DOMAINS}`, ['a.b', 'root', '22']),
  ask('HostName goes first', 'alias', `CanonicalizeHostname yes\n${DOMAINS}Host alias\n HostName web\n`, ['web.corp.test', 'root', '22']),
  ask('the files are read again for the full name', 'web', `CanonicalizeHostname yes\n${DOMAINS}Host web.corp.test\n User full\nMatch canonical host *.corp.test\n Port 2200\n`, ['web.corp.test', 'full', '2200']),
  ask('in that reading HostName says nothing new', 'web', `CanonicalizeHostname yes\n${DOMAINS}Host *.test\n HostName other\n User seen\n`, ['web.corp.test', 'seen', '22']),
  ask('what was said before stays', 'web', `CanonicalizeHostname yes\n${DOMAINS}Host web\n User short\nHost *.test\n User long\n`, ['web.corp.test', 'short', '22']),
  ask('not behind a command', 'web', `CanonicalizeHostname yes\n${DOMAINS}ProxyCommand nc %h %p\n`, ['web', 'root', '22']),
  ask('behind one that is none', 'web', `CanonicalizeHostname yes\n${DOMAINS}ProxyCommand none\n`, ['web.corp.test', 'root', '22']),
  ask('not behind a jump', 'web', `CanonicalizeHostname yes\n${DOMAINS}ProxyJump gate\n`, ['web', 'root', '22']),
  ask('nor behind one that is none', 'web', `CanonicalizeHostname yes\n${DOMAINS}ProxyJump none\n`, ['web', 'root', '22']),
  ask('always, whatever is before it', 'web', `CanonicalizeHostname always\n${DOMAINS}ProxyCommand nc %h %p\nProxyJump gate\n`, ['web.corp.test', 'root', '22']),
  ask('an alias that may be followed', 'www', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs *.CORP.test:*.Example.net\n`, ['cdn.example.net', 'root', '22']),
  ask('an alias without a rule', 'www', `CanonicalizeHostname yes\n${DOMAINS}`, ['www.corp.test', 'root', '22']),
  ask('one of other names', 'www', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs *.lab.test:*\n`, ['www.corp.test', 'root', '22']),
  ask('to other names', 'www', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs *.corp.test:*.test,*.org *.lab.test:*\n`, ['www.corp.test', 'root', '22']),
  ask('one of several rules', 'www', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs *.lab.test:* *.test:*.org,cdn.*\n`, ['cdn.example.net', 'root', '22']),
  ask('one that is excepted', 'www', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs *.corp.test,!www.*:*\n`, ['www.corp.test', 'root', '22']),
  ask('any to any', 'www', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs *\n`, ['cdn.example.net', 'root', '22']),
  ask('none, which stays', 'www', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs none\nCanonicalizePermittedCNAMEs *:*\n`, ['www.corp.test', 'root', '22']),
  ask('the files are read again for the alias', 'www', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs *:*\nHost cdn.example.net\n User edge\nMatch canonical host *.net\n Port 2200\n`, ['cdn.example.net', 'edge', '2200']),
  ask('an alias under no domain', 'shop', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs shop:*.example.net\n`, ['cdn.example.net', 'root', '22']),
  ask('what the system calls a name is its alias', 'web', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs *:lo*\n`, ['localhost', 'root', '22']),
  ask('no alias where nothing is made full', 'shop', `${DOMAINS}CanonicalizePermittedCNAMEs *:*\n`, ['shop', 'root', '22']),
  ask('nor behind a command', 'www', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs *:*\nProxyCommand nc %h %p\n`, ['www', 'root', '22']),
  ask('a rule without its half', 'www', `CanonicalizeHostname yes\n${DOMAINS}CanonicalizePermittedCNAMEs *.corp.test:\n`, 'refused'),
  ask('no', 'web', `CanonicalizeHostname no\n${DOMAINS}Match canonical\n User c\n`, ['web', 'root', '22']),
]

let directory: string
let answers: { real: unknown, ours: unknown, message?: string }[]

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'xec-canonical-'))
  const hosts = join(directory, 'hosts')
  writeFileSync(hosts, HOSTS)
  const files = questions.map(({ host, config }, index) => {
    const file = join(directory, `config-${index}`)
    writeFileSync(file, config, { mode: 0o600 })
    return { host, file }
  })
  const { status, stdout, stderr } = spawnSync('unshare', ['--mount', process.execPath, join(__dirname, '../fixtures/ssh-config/both.mjs')], {
    encoding: 'utf8', timeout: 60_000, env: { ...process.env, XEC_HOSTS: hosts, XEC_QUESTIONS: JSON.stringify(files) },
  })
  if (status !== 0) throw new Error(`these tests lay a file over /etc/hosts in a mount namespace of their own, which failed: ${stderr}`)
  answers = JSON.parse(stdout) as typeof answers
})

afterAll(() => { rmSync(directory, { recursive: true, force: true }) })

describe('a name that is canonicalised', () => {
  it.each(questions.map((question, index) => [question.name, index, question.answer] as const))('%s', (_, index, answer) => {
    const { real, ours, message } = answers[index] ?? {}
    expect(real, 'the real client').toEqual(answer)
    expect(ours, message).toEqual(answer)
  })

  it('an error says which name, and what forbids it', () => {
    expect(answers.find(({ real }) => real === 'refused')?.message).toMatch(/cache is found in none of CanonicalDomains/)
  })
})
