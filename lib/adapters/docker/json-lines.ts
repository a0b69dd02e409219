import { StringDecoder } from 'node:string_decoder'

/** The JSON documents of a stream, one on each line. */
export async function* jsonLines(source: AsyncIterable<Buffer>): AsyncGenerator<unknown, void, undefined> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const piece of source) {
    const lines = (rest + decoder.write(piece)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line)
  }
  rest += decoder.end()
  if (rest.trim() !== '') yield JSON.parse(rest)
}
