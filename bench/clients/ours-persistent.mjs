// @xec-sh/native with warm shells.
import { SSHConnectionPool } from '../../index.mjs'

export const label = '@xec-sh/native, persistent shell'

export function open(target) {
  const pool = new SSHConnectionPool({ shell: 'persistent' })
  return {
    run: (command) => pool.exec(target, command).then((result) => result.stdout),
    close: () => pool.dispose(),
  }
}
