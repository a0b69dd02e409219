/** What is read out of words before anything is asked of a cluster. */
import { describe, expect, it } from 'vitest'
import { parsePodPath } from '../../lib/adapters/kubernetes/copy'
import { parseExecFlags } from '../../lib/adapters/kubernetes/exec-flags'
import { evaluate, parseJsonPath } from '../../lib/adapters/kubernetes/kubectl/jsonpath'
import { planOf } from '../../lib/adapters/kubernetes/kubectl/plan'
import { parseSelector, parseSubject } from '../../lib/adapters/kubernetes/subject'

const words = (line: string): string[] => line.split(' ')

describe('a kubectl command line', () => {
  it('that core makes for logs', () => {
    expect(planOf(words('logs -n prod -c app --tail 5 --previous --timestamps web'))).toEqual({
      kind: 'logs', where: { namespace: 'prod' }, pod: 'web', follow: false, options: { container: 'app', tail: 5, previous: true, timestamps: true },
    })
  })

  it.each([
    ['logs pod/web side --since=90s', { pod: 'web', options: { container: 'side', since: 90 } }],
    ['--context=a -n b logs -f web --tail=-1', { where: { context: 'a', namespace: 'b' }, follow: true, options: {} }],
    ['exec -it -nprod web -c app -- sh -c ls', { kind: 'exec', where: { namespace: 'prod' }, tty: true, container: 'app', command: ['sh', '-c', 'ls'] }],
    ['exec web date', { kind: 'exec', command: ['date'] }],
    ['cp ./a prod/web:/b -c app', { kind: 'copy', direction: 'to', local: './a', remote: { namespace: 'prod', pod: 'web', path: '/b', container: 'app' } }],
    ['cp web:/b a', { kind: 'copy', direction: 'from', local: 'a', remote: { pod: 'web', path: '/b' } }],
    ['get pods -l app=web -o name', { kind: 'get', name: undefined, query: { labelSelector: 'app=web' }, output: { kind: 'name' } }],
    ['get po/web -o json', { kind: 'get', name: 'web', output: { kind: 'json' } }],
    ['get ns -A -ojson', { kind: 'get', allNamespaces: true }],
  ])('%s', (line, plan) => {
    expect(planOf(words(line))).toMatchObject(plan)
  })

  it.each([
    'get pods', 'get pods -o wide', 'get pods -o yaml', 'get secrets -o json', 'get pods -o json --watch', 'get pods a b -o json', 'get pod/a/b -o name',
    'apply -f x', 'version --client', 'delete pod web', 'logs', 'logs deploy/web', 'logs -l app=web', 'logs web --tail x', 'logs -f web --all-containers',
    'exec web', 'exec deploy/web -- ls', 'cp a b', 'cp a:/x b:/y', 'cp a web:/b --no-preserve', '--unknown logs web', 'get pods -o jsonpath={range(.items[*])}',
    'rollout status deploy/logs', 'describe pod get', 'logs web --request-timeout=1s',
  ])('is left to the real kubectl: %s', (line) => {
    expect(planOf(words(line))).toBeUndefined()
  })

  it('may hold anything in what follows --', () => {
    expect(planOf(['exec', 'web', '--', 'echo', '-n', '--', 'get'])).toMatchObject({ command: ['echo', '-n', '--', 'get'] })
  })
})

describe('JSONPath', () => {
  const value = { items: [{ name: 'a', n: 1, tags: { 'x-y': true }, of: [{ type: 'Ready', status: 'True' }] }, { name: 'b', n: 2, of: [] }] }

  it.each([
    ['{.items[0].name}', 'a'],
    ['{.items[*].name}', 'a b'],
    ['{.items[-1].n}', '2'],
    ['{.items[*].of[?(@.type=="Ready")].status}', 'True'],
    ['{.items[0].tags[\'x-y\']}', 'true'],
    ['first: {.items[0].name}, {.items[1].name}!', 'first: a, b!'],
    ['{$.items[0].missing.deeper}', ''],
    ['.items[0].name', 'a'],
    ['{.items[0].tags}', '{"x-y":true}'],
  ])('%s', (path, expected) => {
    expect(evaluate(parseJsonPath(path) ?? [], value)).toBe(expected)
  })

  it.each(['{range .items[*]}{.name}{end}', '{.items[0:1]}', '{..name}', '{.items[0].name', '{}', '{"\\n"}'])('knows that it does not know %s', (path) => {
    expect(parseJsonPath(path)).toBeUndefined()
  })

  it('an item that is missing is an error', () => {
    expect(() => evaluate(parseJsonPath('{.items[7].name}') ?? [], value)).toThrow('array index out of bounds: index 7, length 2')
  })
})

describe('pods', () => {
  it('are meant by name, by type or by selector', () => {
    expect(parseSubject('web-0.x', 'pod')).toEqual({ kind: 'pod', name: 'web-0.x' })
    expect(parseSubject('deploy/web', 'pod')).toEqual({ kind: 'deployments', name: 'web' })
    expect(parseSubject('svc/web', 'pod')).toEqual({ kind: 'services', name: 'web' })
    expect(parseSubject('-l app in (a, b)', 'pod')).toEqual({ kind: 'selector', selector: 'app in (a, b)' })
    expect(parseSubject('-lapp=web', 'pod')).toEqual({ kind: 'selector', selector: 'app=web' })
    expect(parseSelector('--selector=app=web', 'selector')).toBe('app=web')
  })

  it.each(['', '../x', 'Web', 'job/x', 'a/b/c', '-l', '-l -x', 'x\0', 'a?b=c', 'a'.repeat(254)])('are not meant by %j', (text) => {
    expect(() => parseSubject(text, 'pod')).toThrow(expect.objectContaining({ code: 'EINVAL_OPTION', option: 'pod' }) as Error)
  })

  it('have paths, to which core adds the container in the same word', () => {
    expect(parsePodPath('web:/a b -c side', 'source')).toEqual({ namespace: undefined, pod: 'web', path: '/a b', container: 'side' })
    expect(parsePodPath('ns/web:rel', 'source')).toEqual({ namespace: 'ns', pod: 'web', path: 'rel', container: undefined })
    for (const text of ['/local/path', 'web', 'web:', ':/x', 'ns/x/web:/y', 'C:\\x']) expect(() => parsePodPath(text, 'source')).toThrow('source')
  })
})

describe('execFlags', () => {
  it('are options by other names', () => {
    expect(parseExecFlags(['-it', '-c', 'app', '--namespace=prod', '-q'])).toEqual({ tty: true, container: 'app', namespace: 'prod' })
    expect(parseExecFlags(['--tty=false', '--context', 'b'])).toEqual({ context: 'b' })
  })

  it.each([[['--as=root'], '--as=root'], [['-x'], '-x'], [['web'], 'flags only'], [['-c'], '-c']])('%j are refused', (flags, said) => {
    expect(() => parseExecFlags(flags)).toThrow(said)
  })
})
