import { describe } from 'vitest'
import { installed } from '../kube/suite/installed'
import { LiveBed } from '../support/live-bed'

describe('the drop-in for core, on a real cluster', () => { installed(async () => [await LiveBed.start(), await LiveBed.start()]) })
