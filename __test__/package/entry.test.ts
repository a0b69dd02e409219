import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as imported from '../support/native'
import * as xecImported from '../../xec.mjs'

const require = createRequire(__filename)
const root = join(__dirname, '../..')
const required = require('../../index.js') as typeof imported
const xecRequired = require('../../xec.js') as typeof xecImported

const names = (module: object): string[] => Object.keys(module).filter((name) => name !== 'default').sort()

describe('entry points', () => {
  it('import gives every name that require gives, and no other', () => {
    expect(names(imported)).toEqual(names(required))
    expect(names(xecImported)).toEqual(names(xecRequired))
  })

  it('import and require share one pool and one set of classes', () => {
    expect(imported.SSHConnectionPool).toBe(required.SSHConnectionPool)
    expect(imported.SSHConnectionPool.getInstance()).toBe(required.SSHConnectionPool.getInstance())
    expect(imported.XecNativeError).toBe(required.XecNativeError)
  })

  it('the package\'s own name leads to the same files', () => {
    expect(require('@xec-sh/native')).toBe(required)
    expect(require('@xec-sh/native/xec')).toBe(xecRequired)
    expect(require('@xec-sh/native/package.json')).toMatchObject({ name: '@xec-sh/native' })
  })

  it('nothing inside the package can be reached past its entry points', () => {
    expect(() => { require('@xec-sh/native/dist/pool/pool.js') }).toThrow(expect.objectContaining({ code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' }))
  })

  it('the native part has the package\'s version', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    expect(imported.version()).toBe(version)
  })

  it('there are no runtime dependencies', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>
    expect(manifest).not.toHaveProperty('dependencies')
  })

  it('the lock file names no registry', () => {
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toContain('"resolved"')
  })
})
