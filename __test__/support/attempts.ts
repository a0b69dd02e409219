import type { OpenSSHServer } from './openssh'
import { until } from './wait'

const OVER = /^(?:Accepted \S+ for|Connection closed by|Disconnected from|Connection reset by|Disconnecting) /

const lines = (log: string, pattern: RegExp): string[] => log.split('\n').filter((line) => pattern.test(line))

const port = (line: string): string | undefined => / port (\d+)/.exec(line)?.[1]

/** What sshd's log says of connections begun since `mark`: one line for each attempt to log in that it judged. */
export async function attemptsSince(server: OpenSSHServer, mark: number): Promise<string[]> {
  const ports = (pattern: RegExp): Set<string | undefined> => new Set(lines(server.log.slice(mark), pattern).map(port))
  const begun = (): Set<string | undefined> => ports(/^Connection from/)
  // The log comes through a pipe, a little later than the server's answer; connections of before end in it as well.
  await until('every login of the log is over', () => {
    const over = ports(OVER)
    return begun().size > 0 && [...begun()].every((from) => over.has(from))
  })
  return lines(server.log.slice(mark), /^(?:Accepted|Partial|Failed) \S+ for /).filter((line) => begun().has(port(line)))
}
