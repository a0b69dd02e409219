/** The accounts that the set-up makes (scripts/support/test-shells.mjs), by the shell they log in with. */
export const SUITED = ['dash', 'bash', 'zsh', 'ash'] as const
export const UNSUITED = ['csh', 'rbash'] as const

export const account = (shell: string): string => `xectest-${shell}`
