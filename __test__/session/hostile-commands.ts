/** What a command must come to, whatever shell runs it and whatever ran there before. */
export interface Case {
  command: string
  stdout?: string | RegExp
  stderr?: string | RegExp
  exitCode?: number | ((code: number) => boolean)
}

/** Commands that would like to get out of their frame. Each takes no longer than a moment. */
export const HOSTILE: readonly Case[] = [
  { command: 'echo plain', stdout: 'plain\n' },
  { command: 'printf unended', stdout: 'unended' },
  { command: 'printf "a\\000b"', stdout: 'a\0b' },
  { command: 'printf "\\001 \\001\\001abc \\001"', stdout: '\x01 \x01\x01abc \x01' },
  { command: 'echo out; echo err >&2; exit 3', stdout: 'out\n', stderr: 'err\n', exitCode: 3 },
  { command: 'exit 42', exitCode: 42 },
  { command: 'exec true' },
  { command: 'exec sh -c "echo replaced; exit 9"', stdout: 'replaced\n', exitCode: 9 },
  { command: 'cd /tmp; pwd', stdout: '/tmp\n' },
  { command: 'exec >&-; echo lost 2>/dev/null', exitCode: () => true },
  { command: 'exec 2>&-; echo kept', stdout: 'kept\n' },
  { command: 'exec >&- 2>&-' },
  { command: 'exec 2>&1; echo one; echo two >&2', stdout: 'one\ntwo\n' },
  { command: 'trap "echo bye" EXIT; echo hello', stdout: 'hello\nbye\n' },
  { command: 'trap "" TERM INT HUP; echo trapped', stdout: 'trapped\n' },
  { command: 'set -e; false; echo never', exitCode: 1 },
  { command: 'set -u; echo "$not_set_anywhere"', stderr: /not_set_anywhere/, exitCode: (code) => code !== 0 },
  { command: 'echo "unbalanced', stderr: /./, exitCode: (code) => code !== 0 },
  { command: "echo 'unbalanced", stderr: /./, exitCode: (code) => code !== 0 },
  { command: 'if true; then', stderr: /./, exitCode: (code) => code !== 0 },
  { command: '( echo open', stderr: /./, exitCode: (code) => code !== 0 },
  { command: ') echo closed', stderr: /./, exitCode: (code) => code !== 0 },
  { command: '}; echo closed', stderr: /./, exitCode: (code) => code !== 0 },
  { command: 'cat <<END\ntext\nEND', stdout: 'text\n' },
  { command: 'unset PATH; echo still', stdout: 'still\n' },
  { command: 'PATH=/nowhere; export PATH', stdout: '' },
  { command: 'alias printf=false eval=false read=false; unalias -a' },
  { command: 'printf() { echo mine; }; read() { echo mine; }; printf', stdout: 'mine\n' },
  { command: 'IFS=0123456789; echo "$IFS"', stdout: '0123456789\n' },
  { command: 'readonly mine=1; echo $mine', stdout: '1\n' },
  { command: 'echo "${mine-unset}"', stdout: 'unset\n' },
  { command: 'ulimit -n 16; echo limited', stdout: 'limited\n' },
  { command: 'read line; echo "$?:$line"', stdout: /^[1-9]\d*:\n$/ },
  { command: 'cat', stdout: '' },
  { command: 'sh -c "kill -9 \\$\\$"', stderr: /^$|Killed/, exitCode: 137 },
  { command: 'umask 077; umask', stdout: /^0*77\n$/ },
  { command: 'umask', stdout: /^0*22\n$|^0*2\n$/ },
  { command: 'sh -c "exit 255"', exitCode: 255 },
  { command: 'no-such-command-anywhere', stderr: /not found/, exitCode: 127 },
  { command: "echo 'quoted '\\''quotes'\\'''", stdout: "quoted 'quotes'\n" },
  { command: 'echo first\necho second', stdout: 'first\nsecond\n' },
  { command: '# nothing but a comment' },
  { command: 'echo continued \\\nline', stdout: 'continued line\n' },
  { command: 'set | grep -c "[0-9a-f]\\{32\\}"', stdout: /^\d+\n$/, exitCode: () => true },
  { command: 'head -c 300000 /dev/zero | tr "\\000" x', stdout: /^x{300000}$/ },
  { command: 'sh -c "sleep 0.05; echo late" & echo early', stdout: 'early\nlate\n' },
  { command: '(sh -c "sleep 0.05; echo late >&2" &) ; echo early', stdout: 'early\n', stderr: 'late\n' },
  { command: 'setsid sh -c "sleep 0.05; echo late" & echo early', stdout: 'early\nlate\n' },
  { command: '(setsid sh -c "(sleep 0.05; echo late) &" &); echo early', stdout: 'early\nlate\n' },
  { command: '(sh -c "sleep 0.05; echo late >&7" 7>&1 >/dev/null 2>&1 &); echo early', stdout: 'early\nlate\n' },
  { command: 'sh -c "sleep 0.3" >/dev/null 2>&1 & echo gone', stdout: 'gone\n' },
]

/** Their outcome is up to the shell; what counts is that nobody else notices. */
export const UNRULY: readonly string[] = [
  'return 3', 'break', 'continue', 'kill $$', 'kill -9 $$', 'set -x; echo traced', 'set -v; echo shown', 'set -n', 'trap "exit 7" EXIT; exit 3',
  'exec 3>&1 4>&2 5<&0; echo x >&3', 'exec </dev/tty', 'set -- a b c; shift 5', 'eval "eval \\"exit 4\\""', '. /dev/null', '. /no/such/file',
  'exec 0<&-; cat', 'cat <<END', 'echo `', 'echo $(', 'case x in', 'f() {', 'wait', 'jobs', 'fg', 'times', 'unset IFS HOME PWD', 'hash -r',
  'sh -c "kill -STOP \\$\\$ & wait" >/dev/null & sh -c "kill -9 $!" 2>/dev/null', 'stty -echo', 'export -p', 'env', 'set',
]
