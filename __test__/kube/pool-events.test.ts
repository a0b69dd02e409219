import { PrivateBed } from '../support/bed'
import { poolEvents } from './suite/pool-events'

poolEvents(() => PrivateBed.start('v5'))
