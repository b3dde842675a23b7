import { useDebounceFn } from '@vueuse/core'
import { computed, reactive, ref, shallowRef, watch, type Ref } from 'vue'
import type { ApiError, Page, Query } from '@/api/http'
import type { Topic } from '@/api/types'
import { renewed } from '@/lib/selection'
import { onChange } from '@/stores/live'
import { isArriving } from './useAddress'
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

  /** What is looked for, in whatever order. */
  const sought = computed(() => JSON.stringify([search.value, options.filters?.value]))

  async function refresh(): Promise<void> {
    const turn = ++asked
    const asking = query.value
    try {
      const answer = await fetch(asking)
      if (turn !== asked) return
      const left = keepSelection(answer, asking)
      rows.value = answer.results
      count.value = answer.count
      error.value = undefined
      loaded.value = true
      const pages = Math.max(1, Math.ceil(answer.count / pageSize.value))
      if (page.value > pages) page.value = pages
      if (left) await reread()
    } catch (failure) {
      if (turn === asked) error.value = failure as ApiError
    }
  }

  let shownFor: Query | undefined
  /** What is selected is as fresh as what is shown. True when some of it left its page: it has moved, or is gone. */
  function keepSelection({ results, count }: Page<T>, asking: Query): boolean {
    const areAll = count <= results.length
    const known = new Set(results.map(key))
    const before = new Set(shownFor === asking ? rows.value.map(key) : [])
    shownFor = asking
    if (!selected.value.length) return false
    selected.value = renewed(selected.value, results, key, areAll)
    return selected.value.some((row) => before.has(key(row)) && !known.has(key(row)))
  }

  /** What is found on all pages; nothing when it cannot be had, or something else is looked for by then. */
  async function readAll(): Promise<Page<T> | undefined> {
    const asking = sought.value
    try {
      const answer = await fetch({ ...conditions.value, page: 1, page_size: LIMIT })
      return asking === sought.value ? answer : undefined
    } catch (failure) {
      if (asking === sought.value) error.value = failure as ApiError
      return undefined
    }
  }

  /** Selects what is found on all pages. */
  async function selectAll(): Promise<void> {
    const answer = await readAll()
    if (answer) selected.value = answer.results
  }

  /** Reads what is selected anew, on whatever page it is; what is gone is selected no more. */
  async function reread(): Promise<boolean> {
    const answer = await readAll()
    if (!answer) return false
    selected.value = renewed(selected.value, answer.results, key, answer.count <= answer.results.length)
    return true
  }

  /** What is selected, as it is now; nothing when that cannot be had. Rows of this page follow what happens anyway. */
  async function current(): Promise<T[] | undefined> {
    const here = new Set(rows.value.map(key))
    if (selected.value.every((row) => here.has(key(row)))) return selected.value
    return (await reread()) ? selected.value : undefined
  }

  async function load(): Promise<void> {
    loading.value = true
    await refresh()
    loading.value = false
  }

  function startOver(): void {
    if (page.value === 1) void load()
    else page.value = 1
  }

  const searchSoon = useDebounceFn(startOver, 250)
  const filters = () => JSON.stringify(options.filters?.value)

  watch([page, sort, pageSize, search, filters], ([nowAt, , ...now], [wasAt, , ...before]) => {
    // An address that was come back to says the page, too.
    if (isArriving()) return void load()
    if (now[1] !== before[1]) return void searchSoon()
    if (nowAt === wasAt && now.some((value, index) => value !== before[index])) startOver()
    else void load()
  })
  // Nobody sees any more what was selected before.
  watch(sought, () => (selected.value = []))
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
    current,
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
  current: () => Promise<T[] | undefined>
  key: (row: T) => unknown
  empty: boolean
  refresh: () => Promise<void>
  load: () => Promise<void>
}
