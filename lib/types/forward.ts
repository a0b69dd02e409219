interface ForwardCallOptions {
  /** Gives up opening; an open forward is closed by `close()`. */
  signal?: AbortSignal
}

/** Listens here; the server connects. Each side is a host and a port, or the path of a UNIX socket. */
export interface LocalForwardOptions extends ForwardCallOptions {
  /** 0: the system chooses */
  localPort?: number
  /** '127.0.0.1' */
  localHost?: string
  localSocket?: string
  /** '127.0.0.1', as seen from the server */
  remoteHost?: string
  remotePort?: number
  remoteSocket?: string
}

/** The server listens; we connect. */
export interface RemoteForwardOptions extends ForwardCallOptions {
  /** 0: the server chooses */
  remotePort?: number
  /** '127.0.0.1'; other addresses need the server's GatewayPorts */
  remoteHost?: string
  remoteSocket?: string
  /** '127.0.0.1' */
  localHost?: string
  localPort?: number
  localSocket?: string
}

/** Listens here for SOCKS clients; the server connects to whatever they name. */
export interface DynamicForwardOptions extends ForwardCallOptions {
  /** 0: the system chooses */
  localPort?: number
  /** '127.0.0.1' */
  localHost?: string
}

export interface ForwardStats {
  /** Client connections that came, whatever became of them. */
  connections: number
  /** Of those, the ones that are open now. */
  active: number
  /** Of those, the ones whose other end could not be reached, and those that were cut off because they did not read. */
  failed: number
  /** Bytes that came from the server. */
  bytesIn: number
  /** Bytes that went to the server. */
  bytesOut: number
  /** Times the lost connection was made again. */
  reconnects: number
}

/** A client connection of a forward. */
export interface ForwardedConnection {
  /** Who came, where that is known. */
  host?: string
  port?: number
  /** Where the connection goes: host:port or a path. */
  to: string
}
