// npm run setup [-- --servers]: makes a fresh clone ready to run; with --servers, ready to be tested.
import { main } from './support/main.mjs'
import { setup } from './support/setup.mjs'

await main(() => setup({ servers: process.argv.includes('--servers') }))
