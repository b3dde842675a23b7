import { computed, ref, shallowRef, type Ref } from 'vue'
import { roles as api } from '@/api/people'
import type { Permission, Role } from '@/api/types'
import { showError } from '@/composables/useAction'
import { inTurn } from '@/lib/inTurn'
import { onChange } from '@/stores/live'

/** Roles and what is ticked of them: ticks are gathered and sent when the reader saves. */
export function useMatrix() {
  const roles = shallowRef<Role[]>([])
  const loaded = ref(false)
  /** Permissions of roles that were changed and not saved, by the role's number. */
  const drafts: Ref<Record<number, Permission[]>> = ref({})

  const load = inTurn(async () => {
    try {
      const all = (await api.list({ page: 1, page_size: 500 })).results
      // Those that can be changed come first: a new one is seen where it was made.
      roles.value = [...all.filter(({ builtin }) => !builtin), ...all.filter(({ builtin }) => builtin)]
      loaded.value = true
      // A role that somebody deleted meanwhile has no draft any more.
      const there = new Set(roles.value.map(({ id }) => String(id)))
      drafts.value = Object.fromEntries(Object.entries(drafts.value).filter(([id]) => there.has(id)))
    } catch (error) {
      showError(error)
    }
  })

  onChange(['roles', 'users'], load)
  void load()

  const current = (role: Role): Permission[] => drafts.value[role.id] ?? role.permissions
  const has = (role: Role, permission: Permission) => current(role).includes(permission)

  function tick(role: Role, names: Permission[], on: boolean): void {
    const rest = current(role).filter((name) => !names.includes(name))
    const next = on ? [...rest, ...names] : rest
    const same = next.length === role.permissions.length && role.permissions.every((name) => next.includes(name))
    if (same) delete drafts.value[role.id]
    else drafts.value[role.id] = next
  }

  const changed = computed(() => roles.value.filter(({ id }) => drafts.value[id]))

  /** Sends every draft; those that the server takes are drafts no more. */
  async function save(): Promise<void> {
    for (const role of changed.value) {
      await api.edit(role.id, { permissions: drafts.value[role.id] })
      delete drafts.value[role.id]
    }
    await load()
  }

  const discard = () => (drafts.value = {})

  return { roles, loaded, has, tick, changed, save, discard }
}
