/** Session, overview, operations, log. */
import { action, buildUrl, call, get, put, type Page, type Query } from './http'
import type { LogEntry, Operation, Session, Statistic, TopData } from './types'

export interface SignInInput {
  username: string
  password: string
  remember: boolean
  /** Of the second factor, or a recovery code. */
  code?: string
}

interface SignInAnswer {
  /** A new password has to be chosen, with this code. */
  reset: boolean
  reset_code?: string
}

interface RegisterInput {
  username: string
  email: string
  password: string
  password_again: string
}

export const session = {
  read: () => get<Session>('/api/v1.0/session'),
  signIn: (input: SignInInput) => call<SignInAnswer>('POST', '/api/account/login', { body: input }),
  /** Ends a forced reset; signs in. */
  reset: (input: { reset_code: string; password: string }) => call('POST', '/api/account/reset', { body: input }),
  /** What comes next is told in a sentence. */
  register: (input: RegisterInput) => call<string>('POST', '/account/', { query: { action: 'register' }, body: input }),
  /** With the token of a mailed link. */
  confirm: async (token: string) =>
    (await call<{ username: string }>('POST', '/api/v1.0/identity/confirm', { body: { token } })).data,
  signOut: () => call('GET', '/api/account/logout'),
  changePassword: (input: { old_password: string; password: string }) => put('/api/v1.0/session/password', input),
  /** Signs in as well. */
  setup: (input: { token: string; username: string; password: string }) =>
    call('POST', '/api/v1.0/setup', { body: input }),
}

export const overview = {
  statistic: () => get<Statistic>('/api/v1.0/index/get_resource_statistic/'),
  /** `seconds` is the window that the figures are averaged over, 2 to 59. */
  top: async (seconds = 15) =>
    (await call<TopData>('POST', '/api/v1.0/index/get_top_data/', { body: { statis_period: seconds } })).data,
}

export const log = {
  list: (query: Query) => get<Page<LogEntry>>('/api/v1.0/index/get_operation_log/', query),
  /** A link has no headers of its own; the language goes along in the address. */
  exportUrl: (query: Query, language: string) => buildUrl('/api/v1.0/audit/export', { ...query, language }),
}

export const operations = {
  list: (query: Query) => get<Page<Operation>>('/api/v1.0/operations', query),
  cancel: (uuid: string) => action('/api/v1.0/operations', 'cancel', { uuid }),
  abandon: (uuid: string) => action('/api/v1.0/operations', 'abandon', { uuid }),
}

/** An event stream has no headers of its own; the language goes along in the address. */
export const eventsUrl = (language: string) => buildUrl('/api/v1.0/events', { language })
