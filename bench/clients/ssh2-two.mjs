// ssh2 with two connections that share the commands.
import * as ssh2 from './ssh2.mjs'

export const label = 'ssh2 1.17, two connections'

export const open = (target) => ssh2.open(target, { connections: 2 })
