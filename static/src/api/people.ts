/** Users, roles, groups, keys and sessions. */
import { call, get, post, put, remove, type Command, type Page, type Query } from './http'
import type {
  ApiKey,
  Membership,
  PermissionInfo,
  Policy,
  Role,
  SessionInfo,
  SshFound,
  SshGrant,
  SshKey,
  User,
  UserDetail,
  UserGroup,
} from './types'

const base = '/api/v1.0/identity'

export interface UserInput {
  name?: string
  password?: string
  email?: string
  full_name?: string
  phone?: string
  department?: string
  enabled?: boolean
  confirmed?: boolean
  force_reset?: boolean
  roles?: string[]
  granted?: string[]
  groups?: Membership[]
}

export const users = {
  list: (query: Query) => get<Page<User>>(`${base}/user`, query),
  detail: (uuid: string) => get<UserDetail>(`${base}/user/${uuid}`),
  create: (input: UserInput) => post(`${base}/user`, input),
  edit: (uuid: string, input: UserInput) => put(`${base}/user/${uuid}`, input),
  unlock: (uuid: string) => post(`${base}/user/${uuid}/unlock`),
  /** Of somebody who lost their phone. */
  removeFactor: (uuid: string) => remove(`${base}/user/${uuid}/second_factor`, {}),
  remove: (uuids: string[]) => remove(`${base}/user`, { uuids }),
}

export interface RoleInput {
  code?: string
  description?: string
  permissions?: string[]
}

export const permissions = {
  list: () => get<PermissionInfo[]>(`${base}/permission`),
}

export const roles = {
  list: (query: Query) => get<Page<Role>>(`${base}/role`, query),
  create: (input: RoleInput) => post(`${base}/role`, input),
  edit: (id: number, input: RoleInput) => put(`${base}/role/${id}`, input),
  remove: (id: number) => remove(`${base}/role/${id}`, {}),
}

export interface GroupInput {
  name: string
  description: string
  permissions: string[]
}

export const userGroups = {
  list: (query: Query) => get<Page<UserGroup>>(`${base}/group`, query),
  create: (input: GroupInput) => post(`${base}/group`, input),
  edit: (id: number, input: GroupInput) => put(`${base}/group/${id}`, input),
  remove: (id: number) => remove(`${base}/group/${id}`, {}),
}

export const sessions = {
  list: (query: Query) => get<Page<SessionInfo>>(`${base}/session`, query),
  end: (uuid: string) => remove(`${base}/session/${uuid}`, {}),
}

export const keys = {
  list: (query: Query) => get<Page<ApiKey>>(`${base}/key`, query),
  remove: (id: string) => remove(`${base}/key/${encodeURIComponent(id)}`, {}),
}

export interface SshKeyApi {
  list: () => Promise<SshKey[]>
  add: (input: { name: string; key: string }) => Command
  remove: (uuid: string) => Command
}

const sshKeysAt = (path: string): SshKeyApi => ({
  list: () => get<SshKey[]>(path),
  add: (input) => post(path, input),
  remove: (uuid) => remove(`${path}/${uuid}`, {}),
})

/** A user's public ssh keys. */
export const sshKeysOf = (user: string) => sshKeysAt(`${base}/user/${user}/ssh_key`)

export const sshGrants = {
  list: (query: Query) => get<Page<SshGrant>>(`${base}/ssh_grant`, query),
  create: (input: { user_uuid: string; node_uuid: string; system_user: string }) => post(`${base}/ssh_grant`, input),
  remove: (uuid: string) => remove(`${base}/ssh_grant/${uuid}`, {}),
  /** What stands on the nodes now. */
  found: () => get<SshFound>(`${base}/ssh_key`),
}

export const policy = {
  read: () => get<Policy>(`${base}/policy`),
  edit: (input: Policy) => put(`${base}/policy`, input),
}

export interface KeyInput {
  name: string
  permissions: string[]
  /** Empty: it does not expire. */
  expires_at: string
}

export interface SecondFactor {
  enabled: boolean
  /** Begun and not confirmed. */
  pending: boolean
  /** Recovery codes that are not used yet. */
  recovery_left: number
}

const own = `${base}/own`
const factor = `${own}/second_factor`

/** One's own account. */
export const account = {
  read: () => get<UserDetail>(own),
  edit: (input: { email: string; full_name: string; phone: string }) => put(own, input),
  keys: () => get<ApiKey[]>(`${own}/key`),
  createKey: (input: KeyInput) => call<ApiKey & { key: string }>('POST', `${own}/key`, { body: input }),
  editKey: (id: string, permissions: string[]) => put(`${own}/key/${encodeURIComponent(id)}`, { permissions }),
  removeKey: (id: string) => remove(`${own}/key/${encodeURIComponent(id)}`, {}),
  sshKeys: sshKeysAt(`${own}/ssh_key`),
  sessions: () => get<SessionInfo[]>(`${own}/session`),
  endSession: (uuid: string) => remove(`${own}/session/${uuid}`, {}),
  endOtherSessions: () => remove(`${own}/session`, {}),
  factor: () => get<SecondFactor>(factor),
  startFactor: () => call<{ secret: string; uri: string }>('POST', factor, { body: { action: 'start', param: {} } }),
  confirmFactor: (code: string) =>
    call<{ recovery_codes: string[] }>('POST', factor, { body: { action: 'confirm', param: { code } } }),
  renewRecovery: (code: string) =>
    call<{ recovery_codes: string[] }>('POST', factor, { body: { action: 'recovery', param: { code } } }),
  endFactor: (password: string, code: string) => post(factor, { action: 'off', param: { password, code } }),
}
