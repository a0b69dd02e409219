import { installed } from '../kube/suite/installed'
import { PrivateBed } from '../support/bed'

installed(async () => {
  const east = await PrivateBed.start('v5')
  return [east, await PrivateBed.start('v5', east)]
})
