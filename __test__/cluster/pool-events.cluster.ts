import { describe } from 'vitest'
import { poolEvents } from '../kube/suite/pool-events'
import { LiveBed } from '../support/live-bed'

describe('what a pool tells, on a real cluster', () => { poolEvents(() => LiveBed.start()) })
