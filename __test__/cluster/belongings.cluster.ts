import { describe } from 'vitest'
import { belongingsOfPods } from '../kube/suite/belongings'
import { LiveBed } from '../support/live-bed'

describe('what pods have, on a real cluster', () => { belongingsOfPods(() => LiveBed.start()) })
