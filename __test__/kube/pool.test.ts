import { PrivateBed } from '../support/bed'
import { poolMethods } from './suite/pool-methods'

poolMethods(() => PrivateBed.start('v5'))
