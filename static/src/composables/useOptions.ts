import { ref, shallowRef, watch, type Ref } from 'vue'
import type { Page, Query } from '@/api/http'
import { showError } from './useAction'

/** Choices of a select come in one page; the server keeps them in the order of their names. */
const CHOICES: Query = { page: 1, page_size: 500 }

/** Reads the rows that a select offers; again when `key` changes, none while it is empty. */
export function useOptions<T>(fetch: (query: Query) => Promise<Page<T>>, key: Ref<unknown> = ref(true)) {
  const rows = shallowRef<T[]>([])
  const loading = ref(false)
  let asked = 0

  async function load(): Promise<void> {
    const turn = ++asked
    loading.value = Boolean(key.value)
    if (!key.value) return
    try {
      const answer = await fetch(CHOICES)
      if (turn === asked) rows.value = answer.results
    } catch (error) {
      if (turn === asked) showError(error)
    } finally {
      if (turn === asked) loading.value = false
    }
  }

  function loadOthers(): void {
    rows.value = []
    void load()
  }

  watch(key, loadOthers, { immediate: true })
  return { rows, loading, load }
}
