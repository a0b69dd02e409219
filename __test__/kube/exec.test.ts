import { describe } from 'vitest'
import { PrivateBed } from '../support/bed'
import { commandsInPods } from './suite/commands'

describe.each(['v5', 'v4'] as const)('commands in pods over %s', (streaming) => {
  commandsInPods(() => PrivateBed.start(streaming))
})
