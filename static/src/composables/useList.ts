import { useDebounceFn } from '@vueuse/core'
import { computed, reactive, ref, shallowRef, watch, type Ref } from 'vue'
import type { ApiError, Page, Query } from '@/api/http'
import type { Topic } from '@/api/types'
import { onChange } from '@/stores/live'

interface Options {
  /** Changes that make the list read itself again. */
  topics: Topic[]
  /** Further conditions; the list starts over when they change. */
  filters?: Ref<Query>
  /** The reader chose some of them: no row then means that nothing was found. */
  filtered?: Ref<boolean>
  /** The column that the search box looks in. */
  searchField?: string
  pageSize?: number
}

/** One page of a server list: paging, search, sorting, selection, refresh by events. */
export function useList<T extends object>(fetch: (query: Query) => Promise<Page<T>>, options: Options) {
  const rows = shallowRef<T[]>([])
  const count = ref(0)
  const page = ref(1)
  const pageSize = ref(options.pageSize ?? 20)
  const search = ref('')
  const sort = ref('')
  const loading = ref(false)
  const loaded = ref(false)
  const error = shallowRef<ApiError>()
  const selected = shallowRef<T[]>([])
  let asked = 0

  const query = computed<Query>(() => ({
    searchtype: search.value ? 'contain' : 'all',
    [options.searchField ?? 'name']: search.value.trim(),
    ...options.filters?.value,
    sort: sort.value,
    page: page.value,
    page_size: pageSize.value,
  }))

  async function refresh(): Promise<void> {
    const turn = ++asked
    try {
      const answer = await fetch(query.value)
      if (turn !== asked) return
      rows.value = answer.results
      count.value = answer.count
      error.value = undefined
      loaded.value = true
      const pages = Math.max(1, Math.ceil(answer.count / pageSize.value))
      if (page.value > pages) page.value = pages
    } catch (failure) {
      if (turn === asked) error.value = failure as ApiError
    }
  }

  async function load(): Promise<void> {
    loading.value = true
    await refresh()
    loading.value = false
  }

  const searchSoon = useDebounceFn(() => {
    if (page.value === 1) void load()
    else page.value = 1
  }, 250)

  watch(search, searchSoon)
  watch([page, sort], load)
  watch([pageSize, () => options.filters?.value], () => {
    if (page.value === 1) void load()
    else page.value = 1
  })
  onChange(options.topics, refresh)
  void load()

  /** Nothing there at all, as opposed to nothing found. */
  const empty = computed(() => loaded.value && count.value === 0 && !search.value && !options.filtered?.value)

  return reactive({
    rows,
    count,
    page,
    pageSize,
    search,
    sort,
    loading,
    loaded,
    error,
    selected,
    empty,
    refresh,
    load,
  })
}

export type List<T> = {
  rows: T[]
  count: number
  page: number
  pageSize: number
  search: string
  sort: string
  loading: boolean
  loaded: boolean
  error: ApiError | undefined
  selected: T[]
  empty: boolean
  refresh: () => Promise<void>
  load: () => Promise<void>
}
