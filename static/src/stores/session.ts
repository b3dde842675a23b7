import { defineStore } from 'pinia'
import { ref } from 'vue'
import { session as api } from '@/api/system'
import type { Permission, Session } from '@/api/types'

const nobody: Session = { user: null, permissions: [], setup_needed: false, version: '' }

/** Who is signed in and what they may do. */
export const useSession = defineStore('session', () => {
  const current = ref<Session>(nobody)
  const known = ref(false)

  async function load(): Promise<void> {
    current.value = await api.read()
    known.value = true
  }

  async function signIn(username: string, password: string, remember: boolean): Promise<void> {
    await api.signIn({ username, password, remember })
    await load()
  }

  async function signOut(): Promise<void> {
    await api.signOut()
    forget()
  }

  /** The server no longer knows the session. */
  function forget(): void {
    current.value = { ...current.value, user: null, permissions: [] }
  }

  /** Nothing is offered that the server would refuse. */
  const may = (permission: Permission): boolean => current.value.permissions.includes(permission)

  return { current, known, may, load, signIn, signOut, forget }
})
