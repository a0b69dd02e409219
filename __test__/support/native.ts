/** The package as `import` gives it. */
export * from '../../index.mjs'
