import type { User } from '@/api/types'
import type { State } from '@/lib/state'

/** An account in one word: what it waits for comes before whether it is on. */
export function userState({ awaits, enabled }: Pick<User, 'awaits' | 'enabled'>): State {
  if (awaits) return { key: awaits === 'mail' ? 'awaitsMail' : 'awaitsAdministrator', tone: 'warning' }
  return enabled ? { key: 'enabled', tone: 'success' } : { key: 'disabled', tone: 'info' }
}
