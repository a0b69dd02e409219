import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SSHConnectionPool } from '../support/native'

const text = readFileSync(join(__dirname, '../../docs/metrics.md'), 'utf8')

/** The rows of a table whose columns are name, in, kind, unit and meaning. */
const rows = [...text.matchAll(/^\| `([\w.]+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| (.*) \|$/gm)]
  .map(([, name = '', where = '', kind = '', unit = '', meaning = '']) => ({ name, where, kind, unit, meaning }))

const documented = (...where: string[]): string[] =>
  rows.filter((row) => where.includes(row.where)).map(({ name }) => name).sort()

/** Names as the document writes them: `limits.idleTimeout`. */
function namesOf(snapshot: object): string[] {
  return Object.entries(snapshot).flatMap(([name, value]) => (name === 'limits' ? namesOf(value as object).map((inner) => `limits.${inner}`) : [name])).sort()
}

describe('docs/metrics.md against real snapshots', () => {
  const pool = new SSHConnectionPool()

  it('getStats()', () => { expect(documented('both', 'stats')).toEqual(namesOf(pool.getStats())) })

  it('getMetrics()', () => { expect(documented('both', 'metrics')).toEqual(namesOf(pool.getMetrics())) })

  it('each histogram', () => {
    const histograms = rows.filter(({ kind }) => kind === 'histogram').map(({ name }) => name)
    const { connect, wait, run, idle } = pool.getMetrics()
    expect(histograms).toEqual(['connect', 'wait', 'run', 'idle'])
    for (const histogram of [connect, wait, run, idle]) expect(namesOf(histogram)).toEqual(documented('histogram'))
  })

  it('every name has a unit and a meaning, and is there once', () => {
    expect(rows.filter(({ unit, meaning }) => unit.trim() === '' || meaning.trim() === '')).toEqual([])
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
    expect(rows.length).toBeGreaterThan(40)
  })

  it('has every name that the documents and @xec-sh/core use', () => {
    const theirs = [
      'totalConnections', 'activeConnections', 'idleConnections', 'connectionsCreated', 'connectionsDestroyed', 'connectionsFailed',
      'connectionsReused', 'reuseCount', 'averageConnectionTime', 'averageIdleTime', 'averageUseCount', 'poolEfficiency',
      'poolHits', 'poolMisses', 'healthChecksPassed', 'healthCheckFailures', 'lastCleanup',
    ]
    expect(Object.keys(pool.getMetrics())).toEqual(expect.arrayContaining(theirs))
  })
})
