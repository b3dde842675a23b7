/** Session, overview, operations, log. */
import { action, buildUrl, call, get, put, type Body, type Query } from './http'

export type SignInInput = Body<'/api/account/login', 'post'>
type RegisterInput = Extract<Body<'/account/', 'post'>, { password_again: string }>

export const session = {
  read: () => get('/api/v1.0/session'),
  signIn: (body: SignInInput) => call('post', '/api/account/login', { body }),
  /** Ends a forced reset; signs in. */
  reset: (body: Body<'/api/account/reset', 'post'>) => call('post', '/api/account/reset', { body }),
  /** What comes next is told in a sentence. */
  register: (body: RegisterInput) => call('post', '/account/', { query: { action: 'register' }, body }),
  /** With the token of a mailed link. */
  confirm: async (token: string) => (await call('post', '/api/v1.0/identity/confirm', { body: { token } })).data,
  signOut: () => call('get', '/api/account/logout'),
  changePassword: (body: Body<'/api/v1.0/session/password', 'put'>) => put('/api/v1.0/session/password', body),
  /** Signs in as well. */
  setup: (body: Body<'/api/v1.0/setup', 'post'>) => call('post', '/api/v1.0/setup', { body }),
}

export const overview = {
  statistic: () => get('/api/v1.0/index/get_resource_statistic/'),
  /** `seconds` is the window that the figures are averaged over, 2 to 59. */
  top: async (seconds = 15) =>
    (await call('post', '/api/v1.0/index/get_top_data/', { body: { statis_period: seconds } })).data,
}

export const settings = {
  read: () => get('/api/v1.0/settings'),
  edit: (input: Body<'/api/v1.0/settings', 'put'>) => put('/api/v1.0/settings', input),
}

export const log = {
  list: (query: Query) => get('/api/v1.0/index/get_operation_log/', query),
  /** A link has no headers of its own; the language goes along in the address. */
  exportUrl: (query: Query, language: string) => buildUrl('/api/v1.0/audit/export', { ...query, language }),
}

/** Everything that the reader may see, by a part of its name or address. */
export const search = (q: string) => get('/api/v1.0/search', { q })

export const operations = {
  list: (query: Query) => get('/api/v1.0/operations', query),
  cancel: (uuid: string) => action('/api/v1.0/operations', 'cancel', { uuid }),
  abandon: (uuid: string) => action('/api/v1.0/operations', 'abandon', { uuid }),
}

/** An event stream has no headers of its own; the language goes along in the address. */
export const eventsUrl = (language: string) => buildUrl('/api/v1.0/events', { language })
