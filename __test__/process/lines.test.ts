import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { lines } from '../../lib/process/lines'

/** Every kind of line, one of them longer than any piece. */
const SEVERAL = ['', 'one', 'ümläut €', 'x'.repeat(100_000), '', 'é'.repeat(20_000), 'last']

async function taken(chunks: Buffer[]): Promise<string[]> {
  const all: string[] = []
  for await (const line of lines(Readable.from(chunks, { objectMode: false }), 'utf8')) all.push(line)
  return all
}

test.each([1, 7, 16 * 1024, 1 << 20])('lines are the same in pieces of %i bytes', async (size) => {
  const bytes = Buffer.from(SEVERAL.join('\n'))
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))
  expect(await taken(chunks)).toEqual(SEVERAL)
})

test('a carriage return before the end of a line belongs to the end', async () => {
  expect(await taken([Buffer.from('a\r'), Buffer.from('\nb\r\n\r')])).toEqual(['a', 'b', ''])
})

test('others get their turn while lines are taken as fast as they come', async () => {
  const all = Buffer.from('a line of a log\n'.repeat(100_000))
  let turns = 0
  let over = false
  const count = (): void => {
    turns += 1
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  expect((await taken([all])).length).toBe(100_000)
  over = true
  // 1.6 MB at once, and a turn at least every 64 KiB.
  expect(turns).toBeGreaterThanOrEqual(24)
})
