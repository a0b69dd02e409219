// The only file that touches the native library, so that a test can put another one in its place.
export * from '../binding.cjs'
