import type { Permission, PermissionInfo, Role, UserDetail, UserGroup } from '@/api/types'

/** What belongs together, by the first word of a permission. */
const AREAS: Record<string, string[]> = {
  teaching: ['templates', 'groups', 'desktops'],
  resources: ['nodes', 'pools', 'images', 'networks'],
  people: ['users', 'roles', 'ssh-keys'],
  system: ['overview', 'operations', 'audit', 'settings', 'api'],
  analysis: ['analysis', 'references', 'samples', 'models', 'subtractions', 'files'],
}
/** Where permissions stand that this console does not know yet. */
const OTHERS = 'other'

export interface Area {
  key: string
  permissions: PermissionInfo[]
}

const areaOf = (name: string): string =>
  Object.keys(AREAS).find((key) => AREAS[key]!.includes(name.split('.')[0]!)) ?? OTHERS

/** Permissions by area, in the order of the navigation; areas without one are left out. */
export function byArea(permissions: PermissionInfo[]): Area[] {
  return [...Object.keys(AREAS), OTHERS]
    .map((key) => ({ key, permissions: permissions.filter(({ name }) => areaOf(name) === key) }))
    .filter((area) => area.permissions.length)
}

/** Where a permission comes from: a role, a group, or the user alone. */
export type Source = { kind: 'role' | 'group'; name: string } | { kind: 'granted' }

export function sourcesOf(permission: Permission, user: UserDetail, roles: Role[], groups: UserGroup[]): Source[] {
  const found: Source[] = roles
    .filter(({ code, permissions }) => user.roles.includes(code) && permissions.includes(permission))
    .map(({ code }) => ({ kind: 'role', name: code }))
  for (const { id, name } of user.groups) {
    const group = groups.find((one) => one.id === id)
    if (group?.permissions.includes(permission)) found.push({ kind: 'group', name: name ?? group.name })
  }
  if (user.granted.includes(permission)) found.push({ kind: 'granted' })
  return found
}
