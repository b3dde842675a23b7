import { useDebounceFn } from '@vueuse/core'
import { computed, reactive, ref, shallowRef, watch, type Ref } from 'vue'
import type { ApiError, Page, Query } from '@/api/http'
import type { Topic } from '@/api/types'
import { onChange } from '@/stores/live'
import { useListPlace } from './useListPlace'

interface Options {
  /** Changes that make the list read itself again. */
  topics: Topic[]
  /** Further conditions; the list starts over when they change. */
  filters?: Ref<Query>
  /** The reader chose some of them: no row then means that nothing was found. */
  filtered?: Ref<boolean>
  /** The column that the search box looks in. */
  searchField?: string
  /** The order when nobody chose one, such as `-created_at`; else the server's. */
  order?: string
  /** A list inside something: page, order and search do not stand in the address. */
  inside?: boolean
  /** Property that tells rows apart. */
  rowKey?: string
}

/** So many rows can be had at once, and named in one request. */
const LIMIT = 1000

/** One page of a server list: paging, search, sorting, selection, refresh by events. */
export function useList<T extends object>(fetch: (query: Query) => Promise<Page<T>>, options: Options) {
  const rows = shallowRef<T[]>([])
  const count = ref(0)
  const { page, pageSize, search, sort } = useListPlace(options.inside)
  const loading = ref(false)
  const loaded = ref(false)
  const error = shallowRef<ApiError>()
  const selected = shallowRef<T[]>([])
  const key = (row: T) => (row as Record<string, unknown>)[options.rowKey ?? 'uuid']
  let asked = 0

  const conditions = computed<Query>(() => ({
    searchtype: search.value ? 'contain' : 'all',
    [options.searchField ?? 'name']: search.value.trim(),
    ...options.filters?.value,
    sort: sort.value || options.order || '',
  }))
  const query = computed<Query>(() => ({ ...conditions.value, page: page.value, page_size: pageSize.value }))

  async function refresh(): Promise<void> {
    const turn = ++asked
    const asking = query.value
    try {
      const answer = await fetch(asking)
      if (turn !== asked) return
      keepSelection(answer.results, asking)
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

  let shownFor: Query | undefined
  /** What is selected is as fresh as what is shown. Rows of other pages stay; one that went from its page is gone. */
  function keepSelection(fresh: T[], asking: Query): void {
    const known = new Map(fresh.map((row) => [key(row), row]))
    const before = new Set(shownFor === asking ? rows.value.map(key) : [])
    shownFor = asking
    if (!selected.value.length) return
    selected.value = selected.value
      .filter((row) => known.has(key(row)) || !before.has(key(row)))
      .map((row) => known.get(key(row)) ?? row)
  }

  /** Selects what is found on all pages. */
  async function selectAll(): Promise<void> {
    try {
      selected.value = (await fetch({ ...conditions.value, page: 1, page_size: LIMIT })).results
    } catch (failure) {
      error.value = failure as ApiError
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
  watch([pageSize, () => JSON.stringify(options.filters?.value)], () => {
    if (page.value === 1) void load()
    else page.value = 1
  })
  // Nobody sees any more what was selected before.
  watch([search, () => JSON.stringify(options.filters?.value)], () => (selected.value = []))
  onChange(options.topics, refresh)
  void load()

  /** Nothing there at all, as opposed to nothing found. */
  const empty = computed(() => loaded.value && count.value === 0 && !search.value && !options.filtered?.value)
  /** So many can be selected at once. */
  const selectable = computed(() => Math.min(count.value, LIMIT))

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
    selectable,
    selectAll,
    key,
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
  selectable: number
  selectAll: () => Promise<void>
  key: (row: T) => unknown
  empty: boolean
  refresh: () => Promise<void>
  load: () => Promise<void>
}
