import { describe } from 'vitest'
import { PrivateBed } from '../support/bed'
import { belongingsOfPods } from './suite/belongings'

describe.each(['v5', 'v4'] as const)('what pods have over %s', (streaming) => {
  belongingsOfPods(() => PrivateBed.start(streaming))
})
