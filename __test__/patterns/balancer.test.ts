import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InvalidOptionError, LoadBalancer, SSHConnectionPool } from '../support/native'
import { OpenSSHServer } from '../support/openssh'
import { FakePool, failure, hosts } from './fake-pool'

describe('round-robin', () => {
  it('each host in its turn', async () => {
    const pool = new FakePool()
    const balancer = new LoadBalancer(pool, hosts('a', 'b', 'c'))
    const all = Array.from({ length: 7 }, () => balancer.exec('work'))
    expect(pool.hosts).toEqual(['a', 'b', 'c', 'a', 'b', 'c', 'a'])
    for (const call of pool.calls) call.succeed()
    await Promise.all(all)
  })
})

describe('least-used', () => {
  it('where least runs; equals take turns', async () => {
    const pool = new FakePool()
    const balancer = new LoadBalancer(pool, hosts('a', 'b', 'c'), { strategy: 'least-used' })
    const running = [1, 2, 3].map(() => balancer.exec('work'))
    expect(pool.hosts).toEqual(['a', 'b', 'c'])
    pool.calls[1]?.succeed()
    await running[1]
    void balancer.exec('work')
    expect(pool.last.target.host).toBe('b')
    expect(balancer.getLoad().map((load) => load.running)).toEqual([1, 1, 1])
  })

  it('a failed command runs no longer', async () => {
    const pool = new FakePool()
    const balancer = new LoadBalancer(pool, hosts('a', 'b'), { strategy: 'least-used' })
    const failed = balancer.exec('work')
    pool.last.fail(failure())
    await expect(failed).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(balancer.getLoad().map((load) => load.running)).toEqual([0, 0])
  })
})

describe('lowest-latency', () => {
  let time = 0
  const pool = (): { pool: FakePool, balancer: LoadBalancer, take: (milliseconds: number) => Promise<string> } => {
    time = 0
    const fake = new FakePool()
    const balancer = new LoadBalancer(fake, hosts('a', 'b', 'c'), { strategy: 'lowest-latency', now: () => time, smoothing: 0.5 })
    return {
      pool: fake, balancer,
      take: async (milliseconds) => {
        const running = balancer.exec('work')
        time += milliseconds
        fake.last.succeed()
        await running
        return fake.last.target.host
      },
    }
  }

  it('measures every host once, then takes the quickest', async () => {
    const { take, balancer } = pool()
    expect([await take(90), await take(20), await take(60)]).toEqual(['a', 'b', 'c'])
    expect([await take(20), await take(20)]).toEqual(['b', 'b'])
    expect(balancer.getLoad().map(({ latency }) => latency)).toEqual([90, 20, 60])
  })

  it('follows a moving average', async () => {
    const { take, balancer } = pool()
    await take(90); await take(20); await take(60)
    expect(await take(140)).toBe('b')
    expect(balancer.getLoad()[1]?.latency).toBe(80)
    expect(await take(60)).toBe('c')
  })

  it('a busy host counts as that much slower', async () => {
    const { take, pool: fake, balancer } = pool()
    await take(90); await take(20); await take(50)
    const chosen = [1, 2, 3].map(() => { void balancer.exec('work'); return fake.last.target.host })
    // b at 20, then at 40; at 60 it is no better than c at 50.
    expect(chosen).toEqual(['b', 'b', 'c'])
  })

  it('a host that fails fast is not the quickest', async () => {
    const { take, pool: fake, balancer } = pool()
    const failed = balancer.exec('work')
    fake.last.fail(failure())
    await expect(failed).rejects.toThrow()
    await take(500); await take(600)
    expect(await take(500)).toBe('b')
    expect(balancer.getLoad()[0]?.latency).toBe(10_000)
  })

  it('forgets slowly: a host that was slow once is tried again', async () => {
    const { take } = pool()
    await take(90); await take(20); await take(600)
    const seen = new Set<string>()
    for (let i = 0; i < 40; i++) {
      seen.add(await take(20))
      time += 5_000
    }
    expect([...seen].sort()).toEqual(['a', 'b', 'c'])
  })
})

describe('LoadBalancer', () => {
  it('a strategy for one command, and any kind of work', async () => {
    const balancer = new LoadBalancer(new FakePool(), hosts('a', 'b'))
    expect(await balancer.run((target) => Promise.resolve(target.host))).toBe('a')
    expect(await balancer.run((target) => Promise.resolve(target.host), 'least-used')).toBe('b')
  })

  it.each([
    ['no host', () => new LoadBalancer(new FakePool(), [])],
    ['an unknown strategy', () => new LoadBalancer(new FakePool(), hosts('a'), { strategy: 'random' as never })],
    ['an impossible weight', () => new LoadBalancer(new FakePool(), hosts('a'), { smoothing: 0 })],
  ])('refuses %s', (_what, make) => {
    expect(make).toThrow(InvalidOptionError)
  })
})

describe('on real hosts', () => {
  let server: OpenSSHServer
  beforeAll(async () => { server = await OpenSSHServer.start({ addresses: ['127.0.0.1', '127.0.0.2', '127.0.0.3'] }) })
  afterAll(async () => { await server.stop() })

  it('every host does its share', async () => {
    await using pool = new SSHConnectionPool()
    const targets = ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((host) => server.target({ host }))
    const balancer = new LoadBalancer(pool, targets)
    // The third word is the address that the server was reached at.
    const results = await Promise.all(Array.from({ length: 6 }, () => balancer.exec('set -- $SSH_CONNECTION; echo $3')))
    expect(results.map(({ stdout }) => stdout.trim()).sort()).toEqual(targets.flatMap(({ host }) => [host, host]).sort())
  })
})
