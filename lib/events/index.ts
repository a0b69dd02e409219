export type { PoolDiagnostic, PoolTransport } from './diagnostics'
export { EventHub } from './hub'
export { EVENT_NAMES, type PoolEventInfo, type PoolEventName, type PoolEvents } from './names'
export { PoolEventHub, type EventSource } from './pool-events'
