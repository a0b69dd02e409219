/** A health check, as @xec-sh/core has it. Durations like '30s', '1m30s', '500ms'. */
export interface DockerHealthCheckOptions {
  /** A line for the container's shell, a program with its arguments, or 'NONE' for no check at all. */
  test: string | string[]
  interval?: string
  timeout?: string
  retries?: number
  startPeriod?: string
}

export interface CreateContainerOptions {
  name: string
  image: string
  /** `source:target[:mode]`: a path here or a volume's name, a path in the container. Paths here are absolute. */
  volumes?: string[]
  env?: Record<string, string>
  /** `[[address:]port:]port[/protocol]` */
  ports?: string[]
}

export interface RunContainerOptions extends CreateContainerOptions {
  /** A network's name; 'none', 'host', 'container:NAME' */
  network?: string
  /** 'no', 'always', 'unless-stopped', 'on-failure', 'on-failure:3' */
  restart?: string
  workdir?: string
  user?: string
  labels?: Record<string, string>
  privileged?: boolean
  healthcheck?: DockerHealthCheckOptions
  command?: string[]
  /** true: an image that is missing is pulled first. false: it is an error. */
  pull?: boolean
}

export interface StopContainerOptions {
  /** Milliseconds until it is killed; the container's own (10 s by default) where absent */
  timeout?: number
  signal?: string
}

export interface DockerProgress {
  /** A layer, or an image's name. */
  id?: string
  status: string
  /** Bytes, where the daemon counts them. */
  current?: number
  total?: number
}

export interface DockerTransferOptions {
  onProgress?: (progress: DockerProgress) => void
  signal?: AbortSignal
  /** Milliseconds; the adapter's `transferTimeout` by default; 0 = no limit */
  timeout?: number
}

export interface DockerRegistryOptions extends DockerTransferOptions {
  /** Instead of what Docker's config.json says about the registry. */
  auth?: RegistryAuth
  /** 'linux/arm64' and the like */
  platform?: string
}

export type RegistryAuth = { username: string; password: string } | { identityToken: string }

export interface DockerImageBuildOptions extends DockerTransferOptions {
  tag: string
  /** 'Dockerfile': from the context, or an absolute path that may lie outside of it */
  dockerfile?: string
  /** The current directory by default. Its .dockerignore is honoured. */
  context?: string
  buildArgs?: Record<string, string>
  target?: string
  noCache?: boolean
  pull?: boolean
  platform?: string
  labels?: Record<string, string>
  /** What `RUN` may reach: 'none', 'host', or a network's name for the classic builder. The daemon's bridge by default. */
  network?: string
  /** What `DOCKER_BUILDKIT` says by default, else what the daemon prefers */
  builder?: 'classic' | 'buildkit'
  /** For `RUN --mount=type=secret,id=…`, by id; BuildKit only. They are kept in memory while it builds. */
  secrets?: Record<string, string | Buffer>
  /** Everything the build prints, as it comes. */
  onOutput?: (text: string) => void
}

export interface DockerLogsOptions {
  follow?: boolean
  tail?: number | 'all'
  /** A time: RFC 3339, seconds since 1970, or how long ago ('10m') */
  since?: string
  until?: string
  timestamps?: boolean
  /** Ends following. */
  signal?: AbortSignal
}

export interface DockerNetworkOptions {
  driver?: string
  subnet?: string
  gateway?: string
  ipRange?: string
  attachable?: boolean
  internal?: boolean
}

export interface DockerVolumeOptions {
  driver?: string
  driverOpts?: Record<string, string>
  labels?: Record<string, string>
}

export interface DockerComposeOptions {
  file?: string | string[]
  projectName?: string
  env?: Record<string, string>
  /** Where it runs; the current directory by default. */
  cwd?: string
}

export interface DockerCopyOptions {
  signal?: AbortSignal
  /** Milliseconds; the adapter's `transferTimeout` by default; 0 = no limit */
  timeout?: number
  /** Bytes of the stream so far. */
  onProgress?: (transferred: number) => void
  /** 'refuse': a link that leads out of what is copied ends the copy. 'keep': it is made as it is. */
  outsideLinks?: 'refuse' | 'keep'
}

/** What was copied. */
export interface DockerCopyReport {
  files: number
  directories: number
  links: number
  /** Of the files' content */
  bytes: number
  /** Devices, pipes and sockets, which are not copied: the first thousand by name */
  skipped: string[]
  skippedCount: number
}

/** What `docker stats --format json` prints, and the daemon's own figures. */
export interface DockerStats {
  BlockIO: string
  CPUPerc: string
  Container: string
  ID: string
  MemPerc: string
  MemUsage: string
  Name: string
  NetIO: string
  PIDs: string
  raw: Record<string, unknown>
}
