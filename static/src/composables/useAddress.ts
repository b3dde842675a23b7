import { nextTick, ref, watch, type Ref } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw, type RouteLocationNormalizedLoaded, type Router } from 'vue-router'

/** What the address is still to say: several values that change at once are one replacement. */
let due: LocationQueryRaw | undefined
let writing = false

async function write(router: Router, route: RouteLocationNormalizedLoaded, path: string): Promise<void> {
  if (writing) return
  writing = true
  // Whoever changes several values does so before this goes on.
  await Promise.resolve()
  while (due && route.path === path) {
    const now = due
    await router.replace({ query: { ...route.query, ...now }, hash: route.hash })
    if (due === now) due = undefined
  }
  due = undefined
  writing = false
}

let arriving = false

/** While values take on what an address says that was come to, as by the way back, rather than what the reader chose. */
export const isArriving = (): boolean => arriving

/**
 * A text that stands in the page's address under this name, so that it is there again after a reload, on the way
 * back and in a link. It is left out while it is `fallback`.
 */
export function useAddress(name: string, fallback = ''): Ref<string> {
  const route = useRoute()
  const router = useRouter()
  const { path } = route
  const written = () => {
    const text = route.query[name]
    return typeof text === 'string' ? text : fallback
  }
  const value = ref(written())

  watch(value, (text) => {
    if (route.path !== path) return
    due = { ...due, [name]: text === fallback ? undefined : text }
    void write(router, route, path)
  })
  // Another page's address is none of this one's business: it is about to go.
  watch(written, (text) => {
    if (route.path !== path || writing) return
    arriving = true
    void nextTick(() => (arriving = false))
    value.value = text
  })
  return value
}
