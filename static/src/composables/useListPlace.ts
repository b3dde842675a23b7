import { useLocalStorage } from '@vueuse/core'
import { computed, ref, type Ref } from 'vue'
import { useAddress } from './useAddress'

/** Rows on a page that one can choose. */
export const SIZES = [10, 25, 50, 100]
/** When nobody chose: a screen full. */
const ROWS = 25

/** Where one is in a list. */
export interface ListPlace {
  page: Ref<number>
  pageSize: Ref<number>
  search: Ref<string>
  /** A column, with `-` before it from its end; empty: the list's own order. */
  sort: Ref<string>
}

/** In the address, but for a list inside something. How many rows one likes on a page is remembered. */
export function useListPlace(inside = false): ListPlace {
  if (inside) return { page: ref(1), pageSize: ref(ROWS), search: ref(''), sort: ref('') }
  const liked = useLocalStorage('carrel.rows', ROWS)
  const size = useNumber('size', ROWS)
  if (size.value === ROWS && SIZES.includes(liked.value)) size.value = liked.value
  const pageSize = computed({
    get: () => size.value,
    set: (rows) => (size.value = liked.value = rows),
  })
  return { page: useNumber('page', 1), pageSize, search: useAddress('search'), sort: useAddress('sort') }
}

/** A whole number from 1 in the address; anything else is the fallback. */
function useNumber(name: string, fallback: number): Ref<number> {
  const text = useAddress(name, String(fallback))
  return computed({
    get: () => (/^[1-9]\d{0,8}$/.test(text.value) ? Number(text.value) : fallback),
    set: (number) => (text.value = String(number)),
  })
}
