import js from '@eslint/js'
import tseslint from 'typescript-eslint'

const plainScripts = ['**/*.{js,cjs,mjs}']

const nodeGlobals = Object.fromEntries(
  ['process', 'console', 'Buffer', 'URL', 'AbortController', 'AbortSignal', 'performance', 'module', 'require',
    'exports', '__dirname', '__filename', 'structuredClone', 'queueMicrotask', 'globalThis',
    'fetch', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate']
    .map((name) => [name, 'readonly']),
)

export default tseslint.config(
  { ignores: ['dist/', 'target/', 'node_modules/', 'binding.cjs', 'binding.d.cts', '*.d.ts', '*.d.mts', 'docs/', '.cache/', 'bench/results/', '__test__/fixtures/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true } },
  { ...js.configs.recommended, files: plainScripts, languageOptions: { globals: nodeGlobals } },
  {
    files: ['**/*.ts'],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 40, skipBlankLines: true, skipComments: true }],
      'complexity': ['error', 14],
      // Numbers and booleans in messages are fine as they are.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
    },
  },
  {
    files: ['__test__/**/*.ts'],
    // A suite is one long callback.
    rules: { 'max-lines-per-function': 'off' },
  },
)
