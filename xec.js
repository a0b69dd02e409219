'use strict'

module.exports = require('./dist/xec/index.js').forCore(loadCore())

// @xec-sh/core is an ES module: require() can load it from Node.js 20.19 on.
function loadCore() {
  try {
    return require('@xec-sh/core')
  } catch (cause) {
    throw new Error(explain(cause), { cause })
  }
}

function explain(cause) {
  if (cause.code === 'ERR_REQUIRE_ESM') {
    return '@xec-sh/core is an ES module: use import instead of require for @xec-sh/native/xec, or Node.js 20.19 or newer'
  }
  if (cause.code === 'MODULE_NOT_FOUND') return '@xec-sh/native/xec needs @xec-sh/core: npm install @xec-sh/core'
  return `@xec-sh/core could not be loaded: ${cause.message}`
}
