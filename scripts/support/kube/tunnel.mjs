// What API servers did before 1.30, and still do for SPDY: the client's own upgrade goes to the streaming server as it is.
import { connect } from 'node:net'

/** Not for the node: the client's credentials, and where it wanted to go. */
const KEPT_BACK = new Set(['authorization', 'host'])

/** Resolves when the streaming server can be reached; from then on, the two talk to each other. */
export function tunnel(request, socket, head, url) {
  return new Promise((resolve, reject) => {
    const upstream = connect(Number(url.port), url.hostname)
    upstream.once('error', reject)
    upstream.once('connect', () => {
      upstream.off('error', reject)
      upstream.setNoDelay(true)
      upstream.write(`${requestHead(request, url)}\r\n\r\n`)
      upstream.write(head)
      join(socket, upstream)
      resolve()
    })
  })
}

function requestHead(request, url) {
  const headers = []
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    if (!KEPT_BACK.has(request.rawHeaders[at].toLowerCase())) headers.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`)
  }
  return [`${request.method} ${url.pathname}${url.search} HTTP/1.1`, `Host: ${url.host}`, ...headers].join('\r\n')
}

/** Whatever ends one of them ends the other. */
export function join(one, other) {
  for (const [from, to] of [[one, other], [other, one]]) {
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
    from.pipe(to)
  }
}
