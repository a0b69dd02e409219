import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Bed, StartBed } from '../../support/bed'
import { failureOf } from '../../support/failure'
import { KubernetesConnectionPool, type KubernetesContext } from '../../support/native'

interface Kubeconfig { users: [{ user: object }] }

/** What a cluster refuses, and in which words; on any cluster. */
export function refusals(start: StartBed): void {
  let bed: Bed
  let pool: KubernetesConnectionPool
  let context: KubernetesContext

  beforeAll(async () => {
    bed = await start()
    await bed.pod({ name: 'web' })
    pool = new KubernetesConnectionPool({ kubeconfig: await bed.kubeconfig() })
    context = pool.context
  }, 180_000)

  afterAll(async () => {
    await pool.dispose()
    await bed.stop()
  })

  test('what is not there is named', async () => {
    expect(await failureOf(context.exec('nobody', 'true'))).toMatchObject({ code: 'ENOPOD', kind: 'not-found', status: 404, reached: false })
    expect(await failureOf(context.exec('web', 'true', { container: 'other' }))).toMatchObject({ code: 'ENOCONTAINER', kind: 'not-found' })
    expect(await failureOf(context.request('GET', `/api/v1/namespaces/${bed.home}/services/nothing`))).toMatchObject({ code: 'ENOENT', kind: 'not-found' })
    expect(await failureOf(context.logs('web', { container: 'other' }))).toMatchObject({ code: 'ENOCONTAINER' })
  })

  test('what is forbidden is named: which verb, on what', async () => {
    const nobody = pool.createContext({ kubeconfig: await bed.kubeconfig({ user: 'nobody' }) })
    const failure = await failureOf(nobody.exec('web', ['true']))
    expect(failure).toMatchObject({ code: 'EFORBIDDEN', kind: 'permission-denied', status: 403, reached: false })
    expect(failure.message).toMatch(/nobody" cannot \w+ resource "pods\/exec"/)
    const listed = await failureOf(nobody.listPods())
    expect(listed).toMatchObject({ code: 'EFORBIDDEN', kind: 'permission-denied', status: 403 })
    expect(listed.message).toMatch(/nobody" cannot list resource "pods"/)
    expect(await failureOf(nobody.logs('web', { container: 'main' }))).toMatchObject({ code: 'EFORBIDDEN', message: expect.stringContaining('pods/log') as string })
  })

  test('what is permitted is done, and nothing besides', async () => {
    await bed.permit('reader', ['get', 'list'], ['pods', 'pods/log'])
    const reader = pool.createContext({ kubeconfig: await bed.kubeconfig({ user: 'reader' }) })
    expect((await reader.listPods()).map(({ name }) => name)).toContain('web')
    expect(await reader.logs('web')).toBe('')
    expect(await failureOf(reader.exec('web', 'true'))).toMatchObject({ code: 'EFORBIDDEN', message: expect.stringContaining('pods/exec') as string })
    const remove = reader.request('DELETE', `/api/v1/namespaces/${bed.home}/pods/web`)
    expect(await failureOf(remove)).toMatchObject({ code: 'EFORBIDDEN', message: expect.stringMatching(/cannot delete resource "pods"/) as string })
  })

  test('a token that nobody issued is unauthorized', async () => {
    const config = JSON.parse(readFileSync(await bed.kubeconfig(), 'utf8')) as Kubeconfig
    config.users[0].user = { token: 'wrong' }
    const file = path.join(bed.folder, 'wrong-token')
    writeFileSync(file, JSON.stringify(config))
    const stranger = pool.createContext({ kubeconfig: file })
    expect(await failureOf(stranger.exec('web', 'true'))).toMatchObject({ code: 'EUNAUTHORIZED', kind: 'authentication', reached: false })
    expect(await failureOf(stranger.listPods())).toMatchObject({ code: 'EUNAUTHORIZED', kind: 'authentication' })
  })
}
