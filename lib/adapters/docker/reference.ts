import { InvalidOptionError } from '../../errors'
import { nonEmptyText } from '../../options/checks'

/** An image's name, in its parts. */
export interface ImageReference {
  /** With the registry where there is one: `localhost:5000/team/app` */
  repository: string
  /** 'latest' where neither tag nor digest is given */
  tag: string | undefined
  digest: string | undefined
  /** Who is asked for it; Docker's own where none is named. */
  registry: string
}

export const DOCKER_HUB = 'https://index.docker.io/v1/'

const CHARACTERS = /^[A-Za-z0-9][A-Za-z0-9_.:/@+-]*$/

export function parseReference(image: unknown, option = 'image'): ImageReference {
  const text = nonEmptyText(image, option)
  if (!CHARACTERS.test(text)) throw new InvalidOptionError(option, 'expected the name of an image, as \'registry:5000/team/app:1.2\'')
  const [named = '', digest] = text.split('@')
  const slash = named.lastIndexOf('/')
  const colon = named.indexOf(':', slash + 1)
  const repository = colon === -1 ? named : named.slice(0, colon)
  const tag = colon === -1 ? undefined : named.slice(colon + 1)
  if (repository === '' || tag === '' || digest === '') throw new InvalidOptionError(option, 'a part of the image\'s name is empty')
  return { repository, digest, tag: tag ?? (digest === undefined ? 'latest' : undefined), registry: registryOf(repository) }
}

/** The first part names a registry when it could not be part of a name there: it has a dot or a port. */
function registryOf(repository: string): string {
  const [first = '', ...rest] = repository.split('/')
  return rest.length > 0 && (first.includes('.') || first.includes(':') || first === 'localhost') ? first : DOCKER_HUB
}

const CONTAINER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

export function checkContainerName(value: unknown, option = 'container'): string {
  const name = nonEmptyText(value, option)
  if (!CONTAINER.test(name)) {
    throw new InvalidOptionError(option, 'a container\'s name has letters, digits, _ . - and begins with a letter or digit')
  }
  return name
}
