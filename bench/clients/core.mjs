// @xec-sh/core as published, with its own engine.
import { readFileSync } from 'node:fs'
import { $ } from '@xec-sh/core'

export const label = '@xec-sh/core 0.9.0'

export function open({ host, port, username, privateKey }) {
  const ssh = $.ssh({ host, port, username, privateKey: readFileSync(privateKey, 'utf8') })
  return {
    run: async (command) => (await ssh.raw`${command}`).stdout,
    close: () => $.dispose(),
  }
}
