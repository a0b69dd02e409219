import type { OpenSSHServer } from './openssh'

/** What sshd's log says of logins since `mark`: one line for each attempt that it judged. */
export function attemptsSince(server: OpenSSHServer, mark: number): string[] {
  return server.log.slice(mark).split('\n').filter((line) => /^(?:Accepted|Partial|Failed) \S+ for /.test(line))
}
