import { ref, shallowRef, watch, type Ref } from 'vue'
import type { Page, Query } from '@/api/http'
import { showError } from './useAction'

/** Choices of a select come in one page; the server keeps them in the order of their names. */
const CHOICES: Query = { page: 1, page_size: 500 }

/** Reads the rows that a select offers; again when `key` changes, none while it is empty. */
export function useOptions<T>(fetch: (query: Query) => Promise<Page<T>>, key: Ref<unknown> = ref(true)) {
  const rows = shallowRef<T[]>([])
  const loading = ref(false)

  async function load(): Promise<void> {
    const wanted = key.value
    rows.value = []
    if (!wanted) return
    loading.value = true
    try {
      const answer = await fetch(CHOICES)
      if (wanted === key.value) rows.value = answer.results
    } catch (error) {
      showError(error)
    } finally {
      loading.value = false
    }
  }

  watch(key, load, { immediate: true })
  return { rows, loading, load }
}
