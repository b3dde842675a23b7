/** Users, roles, groups, keys and sessions. */
import { call, get, post, put, remove, withField } from './http'
import type { Answer, Body, Command, Data, Query } from './http'
import type { Permission, SshKey } from './types'

const base = '/api/v1.0/identity'

const usersPath = `${base}/user` as const
const userPath = `${usersPath}/{user_uuid}` as const
export type UserInput = Body<typeof userPath, 'put'>

const importPath = `${base}/user_import` as const
export type ImportReport = Data<`${typeof importPath}/check`, 'post'>
export type ImportedUsers = Data<typeof importPath, 'post'>

export const users = {
  list: (query: Query) => get(usersPath, query),
  detail: (uuid: string) => get(userPath, {}, { user_uuid: uuid }),
  create: (input: Body<typeof usersPath, 'post'>) => post(usersPath, input),
  edit: (uuid: string, input: UserInput) => put(userPath, input, { user_uuid: uuid }),
  unlock: (uuid: string) => post(`${userPath}/unlock`, {}, { user_uuid: uuid }),
  checkImport: async (body: Body<`${typeof importPath}/check`, 'post'>): Promise<ImportReport> =>
    (await call('post', `${importPath}/check`, { body })).data,
  import: (body: Body<typeof importPath, 'post'>): Promise<Answer<ImportedUsers>> =>
    call('post', importPath, { body, long: true }),
  /** Of somebody who lost their phone. */
  removeFactor: (uuid: string) => remove(`${userPath}/second_factor`, {}, { user_uuid: uuid }),
  remove: (uuids: string[]) => remove(usersPath, { uuids }),
}

export const permissions = {
  list: () => get(`${base}/permission`),
}

const rolesPath = `${base}/role` as const
const rolePath = `${rolesPath}/{role_id}` as const

export const roles = {
  list: (query: Query) => get(rolesPath, query),
  create: (input: Body<typeof rolesPath, 'post'>) => post(rolesPath, input),
  edit: (id: number, input: Body<typeof rolePath, 'put'>) => put(rolePath, input, { role_id: id }),
  remove: (id: number) => remove(rolePath, {}, { role_id: id }),
}

const groupsPath = `${base}/group` as const
const groupPath = `${groupsPath}/{group_id}` as const

export const userGroups = {
  list: (query: Query) => get(groupsPath, query),
  create: (input: Body<typeof groupsPath, 'post'>) => post(groupsPath, input),
  edit: (id: number, input: Body<typeof groupPath, 'put'>) => put(groupPath, input, { group_id: id }),
  remove: (id: number) => remove(groupPath, {}, { group_id: id }),
}

export const sessions = {
  list: (query: Query) => get(`${base}/session`, query),
  end: (uuid: string) => remove(`${base}/session/{session_uuid}`, {}, { session_uuid: uuid }),
}

export const keys = {
  list: (query: Query) => get(`${base}/key`, query),
  remove: (id: string) => remove(`${base}/key/{key_id}`, {}, { key_id: id }),
}

const ownPath = `${base}/own` as const
const ownSshPath = `${ownPath}/ssh_key` as const
const userSshPath = `${userPath}/ssh_key` as const

export interface SshKeyApi {
  list: () => Promise<SshKey[]>
  add: (input: Body<typeof ownSshPath, 'post'>) => Command
  remove: (uuid: string) => Command
}

/** A user's public ssh keys. */
export const sshKeysOf = (user: string): SshKeyApi => ({
  list: () => get(userSshPath, {}, { user_uuid: user }),
  add: (input) => post(userSshPath, input, { user_uuid: user }),
  remove: (uuid) => remove(`${userSshPath}/{key_uuid}`, {}, { user_uuid: user, key_uuid: uuid }),
})

const grantsPath = `${base}/ssh_grant` as const

export const sshGrants = {
  list: (query: Query) => get(grantsPath, query),
  create: (input: Body<typeof grantsPath, 'post'>) => post(grantsPath, input),
  remove: (uuid: string) => remove(`${grantsPath}/{grant_uuid}`, {}, { grant_uuid: uuid }),
  /** What stands on the nodes now. */
  found: () => get(`${base}/ssh_key`),
}

export const policy = {
  read: () => get(`${base}/policy`),
  edit: (input: Body<`${typeof base}/policy`, 'put'>) => put(`${base}/policy`, input),
}

const factorPath = `${ownPath}/second_factor` as const
const ownKeysPath = `${ownPath}/key` as const
const ownKeyPath = `${ownKeysPath}/{key_id}` as const

/** One's own account. */
export const account = {
  read: () => get(ownPath),
  edit: (input: Body<typeof ownPath, 'put'>) => put(ownPath, input),
  keys: () => get(ownKeysPath),
  createKey: (body: Body<typeof ownKeysPath, 'post'>) => call('post', ownKeysPath, { body }),
  editKey: (id: string, permissions: Permission[]) => put(ownKeyPath, { permissions }, { key_id: id }),
  removeKey: (id: string) => remove(ownKeyPath, {}, { key_id: id }),
  sshKeys: {
    list: () => get(ownSshPath),
    add: (input) => post(ownSshPath, input),
    remove: (uuid) => remove(`${ownSshPath}/{key_uuid}`, {}, { key_uuid: uuid }),
  } satisfies SshKeyApi,
  sessions: () => get(`${ownPath}/session`),
  endSession: (uuid: string) => remove(`${ownPath}/session/{session_uuid}`, {}, { session_uuid: uuid }),
  endOtherSessions: () => remove(`${ownPath}/session`, {}),
  factor: () => get(factorPath),
  startFactor: () => withField(call('post', factorPath, { body: { action: 'start', param: {} } }), 'secret'),
  confirmFactor: (code: string) =>
    withField(call('post', factorPath, { body: { action: 'confirm', param: { code } } }), 'recovery_codes'),
  renewRecovery: (code: string) =>
    withField(call('post', factorPath, { body: { action: 'recovery', param: { code } } }), 'recovery_codes'),
  endFactor: (password: string, code: string) => post(factorPath, { action: 'off', param: { password, code } }),
}
