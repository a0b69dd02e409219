import { describe } from 'vitest'
import { poolMethods } from '../kube/suite/pool-methods'
import { LiveBed } from '../support/live-bed'

describe('a pool, on a real cluster', () => { poolMethods(() => LiveBed.start()) })
