import { useI18n } from 'vue-i18n'
import { roles as api } from '@/api/people'
import type { Role } from '@/api/types'
import { onChange } from '@/stores/live'
import { useOptions } from './useOptions'

/** How a role is called: those that every installation has in the reader's language. */
export function useRoleName() {
  const { t, te } = useI18n()
  return (code: string) => (te(`role.name.${code}`) ? t(`role.name.${code}`) : code)
}

/** All roles, kept up to date. */
export function useRoles() {
  const { rows, load, loading } = useOptions<Role>(api.list)
  onChange(['roles', 'users'], load)
  return { roles: rows, load, loading }
}
