// Where things are, relative to the repository: the scripts work from any current directory.
import { fileURLToPath } from 'node:url'
import path from 'node:path'

export const root = fileURLToPath(new URL('../../', import.meta.url))
export const inRoot = (...parts) => path.join(root, ...parts)
