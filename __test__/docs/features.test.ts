import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const text = readFileSync(join(__dirname, '../../docs/features.md'), 'utf8')

const rows = [...text.matchAll(/^\| ([A-Z]\d+|\+) \| (.+) \| (\w+) \| (.*) \| (.*) \|$/gm)]
  .map(([, id = '', feature = '', state = '', tests = '', note = '']) => ({
    id, feature, state, note: note.trim(), tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file),
  }))

const numbered = (letter: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)

describe('docs/features.md', () => {
  it('has every row once, in order', () => {
    const promised = [...numbered('P', 24), ...numbered('S', 11), ...numbered('D', 5), ...numbered('K', 6), ...numbered('X', 6)]
    expect(rows.map(({ id }) => id).filter((id) => id !== '+')).toEqual(promised)
  })

  it('names tests that exist, exactly where something is done', () => {
    expect(rows.flatMap(({ tests }) => tests).filter((file) => !existsSync(join(__dirname, '..', file)))).toEqual([])
    const unproven = rows.filter(({ state, tests }) => (state === 'later') === (tests.length > 0))
    expect(unproven.map(({ id }) => id)).toEqual([])
  })

  it('names every test', () => {
    const files = readdirSync(join(__dirname, '..'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts') && !file.startsWith('fixtures/'))
    expect(files.filter((file) => !text.includes(`\`${file}\``))).toEqual([])
  })

  it('says what is missing where only a part is done', () => {
    expect(rows.filter(({ state }) => !['done', 'part', 'later'].includes(state))).toEqual([])
    expect(rows.filter(({ state, note }) => state === 'part' && note === '').map(({ id }) => id)).toEqual([])
  })
})
