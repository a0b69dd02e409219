import type { IncomingMessage, ServerResponse } from 'node:http'
import { InvalidOptionError } from '../errors'
import type { Labels } from './prometheus-format'
import { type MeasuredPool, prometheusText } from './prometheus'
import { statisticsReport } from './statistics'

export interface StatisticsHandlerOptions {
  /** '/api/server-status/pool/stats' */
  path?: string
  /** '/metrics' */
  metricsPath?: string
  /** For every Prometheus sample. */
  labels?: Labels
}

/** Answers requests for the figures; with `next`, as frameworks pass it, leaves all others to whoever comes after. */
export type StatisticsHandler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void

const JSON_TEXT = 'application/json; charset=utf-8'
const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8'

interface Answer {
  type: string
  body: () => string
}

/**
 * A request handler for `node:http`: JSON at `path`, Prometheus text at `metricsPath`. It has no login of its own, and the
 * figures name no host and no secret.
 */
export function statisticsHandler(pool: MeasuredPool, options: StatisticsHandlerOptions = {}): StatisticsHandler {
  const { labels } = options
  const answers = new Map<string, Answer>([
    [absolute('metricsPath', options.metricsPath ?? '/metrics'), { type: PROMETHEUS, body: () => prometheusText(pool, labels) }],
    [absolute('path', options.path ?? '/api/server-status/pool/stats'), { type: JSON_TEXT, body: () => JSON.stringify(statisticsReport(pool.getStats())) }],
  ])
  return (request, response, next) => {
    const answer = answers.get(pathOf(request))
    if (answer !== undefined) give(request, response, answer)
    else if (next !== undefined) next()
    else refuse(response, 404, 'there is nothing at this path')
  }
}

function absolute(option: string, path: string): string {
  if (!/^\/[^?#\s]*$/.test(path)) throw new InvalidOptionError(option, 'expected a path that begins with / and has no query')
  return path
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.replace(/[?#].*$/s, '')
}

function give(request: IncomingMessage, response: ServerResponse, { type, body }: Answer): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD')
    refuse(response, 405, 'figures can only be read')
    return
  }
  let text: string
  try {
    text = body()
  } catch {
    // What went wrong is the program's business, not that of whoever may reach this port.
    refuse(response, 500, 'the figures could not be read')
    return
  }
  send(response, 200, type, text)
}

function refuse(response: ServerResponse, status: number, error: string): void {
  send(response, status, JSON_TEXT, JSON.stringify({ success: false, error }))
}

/** Node.js itself leaves the body out when the request was HEAD. */
function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text), 'Cache-Control': 'no-store' })
  response.end(text)
}
