import type { User } from '@/api/types'
import { isPast, moment } from '@/lib/format'
import type { State } from '@/lib/state'

/** An account in one word: what it waits for comes before whether it is on. */
export function userState({ awaits, enabled }: Pick<User, 'awaits' | 'enabled'>): State {
  if (awaits) return { key: awaits === 'mail' ? 'awaitsMail' : 'awaitsAdministrator', tone: 'warning' }
  return enabled ? { key: 'enabled', tone: 'success' } : { key: 'disabled', tone: 'info' }
}

/** Until when failed sign-ins lock it; empty when they do not. */
export const lockOf = ({ locked_until: until }: Pick<User, 'locked_until'>): string =>
  isPast(until) ? '' : moment(until)
