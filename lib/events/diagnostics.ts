import { channel } from 'node:diagnostics_channel'
import type { EventEmitter } from 'node:events'
import { EVENT_NAMES, type PoolEventName, type PoolEvents } from './names'

/** What a subscriber of the `node:diagnostics_channel` channels gets. */
export interface PoolDiagnostic<K extends PoolEventName = PoolEventName> {
  event: K
  /** As a listener of the event gets them. */
  args: PoolEvents[K]
  pool: EventEmitter
}

const connection = channel('xec.ssh.connection')
const queue = channel('xec.ssh.queue')
const pool = channel('xec.ssh.pool')

function channelOf(event: PoolEventName): typeof connection {
  if (event.startsWith('connection:') || event === 'retire') return connection
  return event === 'cleanup' || event === 'drain' ? pool : queue
}

const CHANNELS = EVENT_NAMES.map(channelOf)

/** The mask of the events whose channel has a subscriber. Nearly always nobody: three looks, then. */
export function subscribedEvents(): number {
  if (!connection.hasSubscribers && !queue.hasSubscribers && !pool.hasSubscribers) return 0
  return CHANNELS.reduce((bits, { hasSubscribers }, bit) => (hasSubscribers ? bits | (1 << bit) : bits), 0)
}

export function publish(message: PoolDiagnostic): void {
  const target = channelOf(message.event)
  if (target.hasSubscribers) target.publish(message)
}
