import type { UserInput } from '@/api/people'

type ScopedRoles = NonNullable<UserInput['scoped_roles']>

/** Uuids of education groups by code of a role. */
export type Scopes = Record<string, string[] | undefined>

/** Roles as the server takes them: those without a group hold everywhere. */
export function withScopes(codes: string[], scopes: Scopes): { roles: string[]; scoped_roles: ScopedRoles } {
  const roles = codes.filter((role) => !scopes[role]?.length)
  const scoped_roles = codes.flatMap((role) => (scopes[role] ?? []).map((group_uuid) => ({ role, group_uuid })))
  return { roles, scoped_roles }
}
