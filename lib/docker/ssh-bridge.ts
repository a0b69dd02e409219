import { NativeDockerTarget, NativePool } from '../binding'
import { checkTarget } from '../options'
import { HostRules } from '../pool/host-rules'
import { patience } from '../pool/patience'
import { poolSettings } from '../pool/settings'
import { resolveTarget } from '../pool/target-spec'
import type { SSHBridge } from './target'

let lines: NativePool | undefined

/** Daemons behind SSH servers, over a pool of SSH connections that all Docker pools share. */
export const sshBridge: SSHBridge = ({ socketPath, ...address }, { ssh = {} }, settings, timeout) => {
  const base = { connectionTimeout: timeout, idleTimeout: settings.idleTimeout }
  lines ??= new NativePool(poolSettings({}))
  const pool = lines
  // As the Docker CLI, which has `ssh` do it: what ~/.ssh/config says counts.
  const resolving = resolveTarget(checkTarget({ sshConfig: true, ...ssh, ...address }), new HostRules(base), patience({ timeout }))
  const over = ({ spec }: Awaited<typeof resolving>): NativeDockerTarget =>
    NativeDockerTarget.overSsh(pool, spec, socketPath, timeout, settings)
  return resolving instanceof Promise ? resolving.then(over) : over(resolving)
}
