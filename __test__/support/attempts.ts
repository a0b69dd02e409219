import type { OpenSSHServer } from './openssh'
import { until } from './wait'

const lines = (log: string, pattern: RegExp): string[] => log.split('\n').filter((line) => pattern.test(line))

/** What sshd's log says of logins since `mark`: one line for each attempt that it judged. */
export async function attemptsSince(server: OpenSSHServer, mark: number): Promise<string[]> {
  const log = (): string => server.log.slice(mark)
  const begun = (): number => lines(log(), /^Connection from/).length
  const over = (): number => lines(log(), /^(?:Accepted \S+ for|Connection closed by|Disconnected from|Connection reset by|Disconnecting) /).length
  // The log comes through a pipe, a little later than the server's answer.
  await until('every login of the log is over', () => begun() > 0 && over() >= begun())
  return lines(log(), /^(?:Accepted|Partial|Failed) \S+ for /)
}
