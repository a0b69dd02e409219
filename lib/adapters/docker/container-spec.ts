import { boolean, environment, integer, nonEmptyText, text } from '../../options/checks'
import { type Check, describe, shape } from '../../options/schema'
import { InvalidOptionError } from '../../errors'
import { checkDuration } from './duration'
import { checkContainerName, parseReference } from './reference'
import type { DockerHealthCheckOptions } from './types'
import { checkBind, portFields } from './volumes-and-ports'

export function listOf<T>(check: Check<T>): Check<T[]> {
  return (value, option) => {
    if (!Array.isArray(value)) throw new InvalidOptionError(option, `expected an array, got ${describe(value)}`)
    return value.map((entry, index) => check(entry, `${option}[${index}]`))
  }
}

export const texts: Check<Record<string, string>> = (value, option) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidOptionError(option, 'expected an object of strings')
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined).map(([name, entry]) => [name, text(entry, `${option}.${name}`)]))
}

const image: Check<string> = (value, option) => {
  parseReference(value, option)
  return nonEmptyText(value, option)
}

const bind: Check<string> = (value, option) => checkBind(nonEmptyText(value, option), option)

const durationText: Check<string> = (value, option) => {
  checkDuration(nonEmptyText(value, option), option)
  return nonEmptyText(value, option)
}

const healthTest: Check<string | string[]> = (value, option) =>
  (typeof value === 'string' ? nonEmptyText(value, option) : listOf(text)(value, option))

export const healthcheck: Check<DockerHealthCheckOptions> = (value, option) => {
  const { test, ...rest } = shape({
    test: healthTest, interval: durationText, timeout: durationText, retries: integer(0, 1_000_000), startPeriod: durationText,
  })(value, option)
  if (test === undefined || test.length === 0) throw new InvalidOptionError(`${option}.test`, 'expected a command')
  return { test, ...rest }
}

const RESTART = /^(no|always|unless-stopped|on-failure(:\d+)?)$/

const restart: Check<string> = (value, option) => {
  const policy = text(value, option)
  if (!RESTART.test(policy)) throw new InvalidOptionError(option, 'expected \'no\', \'always\', \'unless-stopped\', \'on-failure\' or \'on-failure:3\'')
  return policy
}

export const createFields = { name: checkContainerName, image, volumes: listOf(bind), env: environment, ports: listOf(nonEmptyText) }

const checkRun = shape({
  ...createFields, network: nonEmptyText, restart, workdir: nonEmptyText, user: nonEmptyText, labels: texts, privileged: boolean,
  healthcheck, command: listOf(text), pull: boolean,
})

export type CheckedContainer = ReturnType<typeof checkRun> & { name: string; image: string }

export function checkContainer(value: unknown): CheckedContainer {
  const { name, image: from, ...rest } = checkRun(value, '')
  return { name: checkContainerName(name, 'name'), image: image(from, 'image'), ...rest }
}

/** The options as the API's body for creating a container. */
export function containerBody(options: Omit<CheckedContainer, 'name' | 'pull'>): Record<string, unknown> {
  const { volumes, env, ports, network, restart: policy, workdir, user, labels, privileged, healthcheck: health, command } = options
  const host: Record<string, unknown> = {
    ...(volumes === undefined ? {} : { Binds: volumes }),
    ...(network === undefined ? {} : { NetworkMode: network }),
    ...(policy === undefined ? {} : { RestartPolicy: restartPolicy(policy) }),
    ...(privileged === undefined ? {} : { Privileged: privileged }),
  }
  const published = ports === undefined ? undefined : portFields(ports, 'ports')
  if (published !== undefined) host['PortBindings'] = published.PortBindings
  return {
    Image: options.image,
    HostConfig: host,
    ...(published === undefined ? {} : { ExposedPorts: published.ExposedPorts }),
    ...(env === undefined ? {} : { Env: envList(env) }),
    ...(workdir === undefined ? {} : { WorkingDir: workdir }),
    ...(user === undefined ? {} : { User: user }),
    ...(labels === undefined ? {} : { Labels: labels }),
    ...(health === undefined ? {} : { Healthcheck: healthFields(health) }),
    ...(command === undefined ? {} : { Cmd: command }),
  }
}

export const envList = (env: Readonly<Record<string, string>>): string[] => Object.entries(env).map(([name, value]) => `${name}=${value}`)

function restartPolicy(policy: string): object {
  const [name, count] = policy.split(':')
  return { Name: name, ...(count === undefined ? {} : { MaximumRetryCount: Number(count) }) }
}

function healthFields({ test, interval, timeout, retries, startPeriod }: DockerHealthCheckOptions): object {
  const time = (name: string, value: string | undefined): object => (value === undefined ? {} : { [name]: checkDuration(value, name) })
  return {
    Test: healthCommand(test), ...(retries === undefined ? {} : { Retries: retries }),
    ...time('Interval', interval), ...time('Timeout', timeout), ...time('StartPeriod', startPeriod),
  }
}

const FORMS: ReadonlySet<string | undefined> = new Set(['NONE', 'CMD', 'CMD-SHELL'])

function healthCommand(test: string | string[]): string[] {
  if (test === 'NONE') return ['NONE']
  if (typeof test === 'string') return ['CMD-SHELL', test]
  return FORMS.has(test[0]) ? test : ['CMD', ...test]
}
