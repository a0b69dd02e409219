import { UnsupportedOptionError } from '../errors'
import type { SSHBridge } from './target'

export const sshBridge: SSHBridge = () => {
  throw new UnsupportedOptionError('host', 'daemons over ssh:// come with the SSH bridge')
}
