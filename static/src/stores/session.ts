import { defineStore } from 'pinia'
import { ref } from 'vue'
import { session as api, type SignInInput } from '@/api/system'
import type { Permission, Session } from '@/api/types'
import { setServerZone } from '@/lib/serverTime'

const nobody: Session = {
  user: null,
  permissions: [],
  scopes: [],
  second_factor_required: false,
  setup_needed: false,
  registration: false,
  to_confirm: null,
  sign_in: { password: true, oidc: null },
  version: '',
  time_zone: '',
}

/** Who is signed in and what they may do. */
export const useSession = defineStore('session', () => {
  const current = ref<Session>(nobody)
  const known = ref(false)
  /** It ended without this page asking for it. */
  const ended = ref(false)
  /** This page asks for the end: what hears of it first is no surprise. */
  let leaving = false

  async function load(): Promise<void> {
    const now = await api.read()
    const before = current.value.user
    // Another tab signed in as somebody else: nothing on this page is theirs.
    if (before && now.user && before.uuid !== now.user.uuid) return location.reload()
    current.value = now
    setServerZone(now.time_zone)
    known.value = true
    ended.value = now.user ? false : ended.value || (before !== null && !leaving)
  }

  /** Gives the code of a reset when a new password has to be chosen first. */
  async function signIn(input: SignInInput): Promise<string | undefined> {
    const { data } = await api.signIn(input)
    if (data.reset) return data.reset_code ?? ''
    await load()
    return undefined
  }

  async function signOut(): Promise<void> {
    leaving = true
    try {
      await api.signOut()
      forget()
    } finally {
      leaving = false
    }
  }

  function forget(): void {
    current.value = {
      ...current.value,
      user: null,
      permissions: [],
      scopes: [],
      second_factor_required: false,
      to_confirm: null,
    }
  }

  /** The server no longer knows the session. */
  function expire(): void {
    if (!current.value.user) return
    forget()
    ended.value = !leaving
  }

  /** Nothing is offered that the server would refuse. */
  const may = (permission: Permission): boolean => current.value.permissions.includes(permission)

  /** For what is in this education group; everywhere when it is not said. */
  const mayIn = (permission: Permission, group: string | null | undefined): boolean =>
    mayEverywhere(permission) ||
    current.value.scopes.some(({ group_uuid, permissions }) => group_uuid === group && permissions.includes(permission))

  /** Also outside of the education groups for which roles are held. */
  const mayEverywhere = (permission: Permission): boolean =>
    may(permission) && !current.value.scopes.some(({ permissions }) => permissions.includes(permission))

  return { current, known, ended, may, mayEverywhere, mayIn, load, signIn, signOut, expire }
})
