import * as core from '@xec-sh/core'
import native from './dist/xec/index.js'

export const { install, uninstall, createEngine, $ } = native.forCore(core)
