import { Message } from './protobuf'

/** A step of the build, as far as it has come. */
export interface Step {
  digest: string
  name: string
  cached: boolean
  /** Seconds since 1970 */
  started: number | undefined
  completed: number | undefined
  error: string
}

/** How much of something a step has done, a layer that it fetches say. */
export interface Share {
  id: string
  step: string
  current: number
  total: number
  completed: boolean
}

/** What a step has printed. */
export interface Printed {
  step: string
  stderr: boolean
  data: Buffer
}

/** What has changed since the last one: BuildKit's `StatusResponse`. */
export interface Trace {
  steps: Step[]
  shares: Share[]
  printed: Printed[]
  warnings: { step: string; text: string }[]
}

export function decodeTrace(data: Buffer): Trace {
  const whole = new Message(data)
  const each = <T>(field: number, read: (message: Message) => T): T[] => whole.all(field).map((part) => read(new Message(part)))
  return {
    steps: each(1, (step) => ({
      digest: step.text(1), name: step.text(3), cached: step.number(4) !== 0, started: seconds(step, 5), completed: seconds(step, 6),
      error: step.text(7),
    })),
    shares: each(2, (share) => ({
      id: share.text(1), step: share.text(2), current: share.number(4), total: share.number(5), completed: seconds(share, 8) !== undefined,
    })),
    printed: each(3, (log) => ({ step: log.text(1), stderr: log.number(3) === 2, data: log.bytes(4) ?? Buffer.alloc(0) })),
    warnings: each(4, (warning) => ({ step: warning.text(1), text: warning.text(3) })),
  }
}

function seconds(message: Message, field: number): number | undefined {
  const time = message.message(field)
  return time === undefined ? undefined : time.number(1) + time.number(2) / 1e9
}
