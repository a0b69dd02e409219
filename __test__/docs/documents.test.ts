import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(__dirname, '../..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

/** How many blocks of code each document has. */
const BLOCKS = { D0: 12, D1: 22, D2: 14, D3: 6, D4: 11 }

const rows = [...read('docs/documents.md').matchAll(/^\| (D\d\.\d+) \| (.+?) \| (.+?) \| (.*) \|$/gm)]
  .map(([, block = '', shows = '', by = '']) => ({ block, shows, by: by.split('<br>') }))

const references = rows.flatMap(({ block, by }) => by.map((text) => {
  const [, shown = '', file = '', name = ''] = /^\[([^\]]+)\]\(\.\.\/([^)]+)\): (.+)$/.exec(text) ?? []
  return { block, text, shown, file, name }
}))

describe('docs/documents.md', () => {
  it('has every block once, in order', () => {
    const expected = Object.entries(BLOCKS).flatMap(([document, count]) => Array.from({ length: count }, (_, i) => `${document}.${i + 1}`))
    expect(rows.map(({ block }) => block)).toEqual(expected)
    expect(rows.filter(({ shows }) => shows.trim() === '')).toEqual([])
  })

  it('names files that exist', () => {
    expect(references.filter(({ file }) => file === '' || !existsSync(join(root, file)))).toEqual([])
    expect(references.filter(({ file, shown }) => file.split('/').slice(1).join('/') !== shown)).toEqual([])
  })

  it('names regions and tests that these files have', () => {
    expect(references.filter(({ file, name }) => !titlesIn(file).has(name)).map(({ block, text }) => `${block}: ${text}`)).toEqual([])
  })

  it('names examples and tests only', () => {
    expect(references.filter(({ file }) => !/^examples\/[\w-]+\.mjs$|^__test__\/.+\.ts$/.test(file))).toEqual([])
  })
})

/** An example's regions, or a test file's titles, as the page has them. */
function titlesIn(file: string): Set<string> {
  const text = read(file)
  if (file.startsWith('examples/')) return new Set([...text.matchAll(/^\/\/ #region (\S+)$/gm)].map(([, region = '']) => `\`${region}\``))
  // A title of `it.each` comes after the table in its parentheses.
  const titles = text.matchAll(/(?:\bit|\bdescribe|\))\('((?:[^'\\]|\\.)+)', (?:async )?\(/g)
  return new Set([...titles].map(([, title = '']) => title.replaceAll('\\', '')))
}
