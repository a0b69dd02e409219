import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { brokenLinks } from './links.mjs'

const folder = mkdtempSync(path.join(tmpdir(), 'links-'))
after(() => rmSync(folder, { recursive: true }))

const OTHER = '# Other\n\n## The `same` title!\n\n## The same title\n\n```sh\n# not a heading\n```\n'

function broken(text) {
  writeFileSync(path.join(folder, 'page.md'), text)
  writeFileSync(path.join(folder, 'other.md'), OTHER)
  return brokenLinks(['page.md'], folder).map((line) => line.split(': ').slice(1).join(': '))
}

test('files and headings that exist are fine, and so is everything outside', () => {
  assert.deepEqual(broken('# Page\n[a](other.md) [b](other.md#the-same-title-1) [c](#page) [d](https://example.org/x) [e](mailto:a@b)'), [])
})

test('a missing file, a missing heading and a way out are found', () => {
  assert.deepEqual(broken('[a](none.md) [b](other.md#not-a-heading) [c](#nowhere) [d](../x.md)'), [
    'none.md: no such file', 'other.md#not-a-heading: no such heading', '#nowhere: no such heading', '../x.md: leads out of the repository',
  ])
})

test('code is not read for links', () => {
  assert.deepEqual(broken('`list[0](x)`\n\n```js\nlist[0](x)\n```\n'), [])
})
