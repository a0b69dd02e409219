import type { FailureKind } from '../../errors'
import type { DockerExchange } from '../../docker'
import { streamedError } from './daemon-error'
import { jsonLines } from './json-lines'
import { type Fields, fields } from './shape-of'
import type { DockerProgress } from './types'

export interface Watcher {
  host: string
  otherwise: { code: string; kind: FailureKind }
  onMessage: (message: Fields) => void
}

/** Reads what a daemon tells while it works, to the end, and fails with what it says went wrong. */
export async function follow(exchange: DockerExchange, { host, otherwise, onMessage }: Watcher): Promise<void> {
  for await (const line of jsonLines(exchange.stdout)) {
    const message = fields(line)
    const problem = message.object('errorDetail').text('message') ?? message.text('error')
    if (problem !== undefined) throw streamedError(problem.trim(), host, otherwise)
    onMessage(message)
  }
}

export function progressOf(message: Fields): DockerProgress | undefined {
  const status = message.text('status')
  if (status === undefined) return undefined
  const [id, detail] = [message.text('id'), message.object('progressDetail')]
  const [current, total] = [detail.number('current'), detail.number('total')]
  return {
    ...(id === undefined ? {} : { id }), status,
    ...(current === undefined ? {} : { current }), ...(total === undefined ? {} : { total }),
  }
}
