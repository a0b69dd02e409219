import { InvalidOptionError } from '../../errors'
import { parseFlags } from './kubectl/flags'

/** What kubectl's own flags for exec say. */
export interface ExecFlags {
  tty?: boolean
  container?: string
  namespace?: string
  context?: string
  kubeconfig?: string
  cluster?: string
  user?: string
}

const KNOWN = {
  booleans: { i: 'stdin', stdin: 'stdin', t: 'tty', tty: 'tty', q: 'quiet', quiet: 'quiet' },
  values: {
    c: 'container', container: 'container', n: 'namespace', namespace: 'namespace', context: 'context', kubeconfig: 'kubeconfig', cluster: 'cluster', user: 'user',
    'pod-running-timeout': 'pod-running-timeout',
  },
} as const

/** The flags mean the same as the options of their names; what they alone can say is refused rather than dropped. */
export function parseExecFlags(flags: readonly string[]): ExecFlags {
  const parsed = parseFlags(flags, KNOWN)
  if (typeof parsed === 'string') throw new InvalidOptionError('execFlags', `${parsed} is not known here; known are -i, -t, -q, -c, -n, --context, --kubeconfig, --cluster and --user`)
  const [stray] = parsed.positionals
  if (stray !== undefined) throw new InvalidOptionError('execFlags', 'expected flags only; the pod goes into \'pod\', the command is the command')
  const { tty, container, namespace, context, kubeconfig, cluster, user } = parsed.values
  return {
    ...(tty === true ? { tty } : {}),
    ...texts({ container, namespace, context, kubeconfig, cluster, user }),
  }
}

function texts(values: Record<string, string | true | undefined>): Omit<ExecFlags, 'tty'> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value === 'string'))
}
