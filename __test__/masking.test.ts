import { describe, expect, it } from 'vitest'
import { createMask, maskBytes, maskSecrets } from '../lib/masking'

const SECRET = 's3cr3t-value'

describe('maskSecrets', () => {
  it.each([
    `mysql --password=${SECRET} -u root`,
    `mysql --password ${SECRET} -u root`,
    `mysqldump -u root -p${SECRET} db`,
    `sshpass -p ${SECRET} ssh host`,
    `DB_PASSWORD='${SECRET}' ./run`,
    `export API_KEY=${SECRET}; ./run`,
    `deploy --auth-token "${SECRET}"`,
    `curl -H "Authorization: Bearer ${SECRET}" https://example.com`,
    `curl -H 'authorization: Basic ${SECRET}'`,
    `git clone https://user:${SECRET}@example.com/repo.git`,
    `redis-cli -u redis://:${SECRET}@cache:6379`,
    `echo '{"client_secret": "${SECRET}", "a": 1}'`,
    `token: ${SECRET}`,
    `echo "-----BEGIN OPENSSH PRIVATE KEY-----\n${SECRET}\n-----END OPENSSH PRIVATE KEY-----"`,
    `echo "-----BEGIN RSA PRIVATE KEY-----\n${SECRET}`,
  ])('hides the secret in %j', (text) => {
    const masked = maskSecrets(text)
    expect(masked).not.toContain(SECRET)
    expect(masked).toContain('[REDACTED]')
    expect(maskSecrets(masked)).toBe(masked)
  })

  it.each(['ghp_0123456789abcdefghij', 'github_pat_0123456789abcdefghij_x', 'xoxb-1234567890-abc', 'AKIAABCDEFGHIJKLMNOP'])('hides %s by its shape', (token) => {
    expect(maskSecrets(`use ${token} now`)).toBe('use [REDACTED] now')
  })

  it.each([
    'ls -la /etc/ssl/keys', 'cat ~/.ssh/known_hosts', 'passwd --help', 'echo no secrets here', 'grep token src/lexer.ts',
    'curl https://example.com/a:b@c', 'kubectl get secret my-secret', 'openssl x509 -in cert.pem',
  ])('leaves %j alone', (text) => {
    expect(maskSecrets(text)).toBe(text)
  })

  it('keeps what surrounds the secret', () => {
    expect(maskSecrets(`run --password=${SECRET} --user bob; echo done`)).toBe('run --password=[REDACTED] --user bob; echo done')
  })

  it('is quick on large and on nasty text', () => {
    const nasty = ['password'.repeat(20_000), 'a-'.repeat(100_000) + 'token', 'mysql '.repeat(30_000), `token ${'a.'.repeat(100_000)}://`]
    const start = performance.now()
    for (const text of nasty) maskSecrets(text)
    expect(performance.now() - start).toBeLessThan(2_000)
  })
})

describe('createMask', () => {
  it('keeps bytes that are not text', () => {
    const bytes = Buffer.concat([Buffer.from([0xff, 0, 0x80]), Buffer.from(`password=${SECRET} `), Buffer.from([0xfe])])
    expect(maskBytes(bytes, createMask({}))).toEqual(
      Buffer.concat([Buffer.from([0xff, 0, 0x80]), Buffer.from('password=[REDACTED] '), Buffer.from([0xfe])]),
    )
  })

  it('a replacement is taken literally', () => {
    expect(createMask({ replacement: '$1' })(`password=${SECRET}`)).toBe('password=$1')
  })
})
