import { createGlobalState } from '@vueuse/core'
import { computed, shallowRef, watch } from 'vue'
import { permissions as api } from '@/api/people'
import type { PermissionInfo } from '@/api/types'
import { locale } from '@/i18n'
import { byArea } from '@/lib/permissions'
import { showError } from './useAction'

/** All permissions with what they mean in the reader's language. */
export const usePermissions = createGlobalState(() => {
  const all = shallowRef<PermissionInfo[]>([])

  async function load(): Promise<void> {
    try {
      all.value = await api.list()
    } catch (error) {
      showError(error)
    }
  }

  watch(locale, load, { immediate: true })
  const areas = computed(() => byArea(all.value))
  const meaning = (name: string) => all.value.find((one) => one.name === name)?.description ?? name
  return { all, areas, meaning }
})
