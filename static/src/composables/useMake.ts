import { watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/** In the address of a list: what is to be made there. */
const MAKE = 'make'

/** The address of a list that begins by making something, of a thing that is named by its uuid. */
export const making = (name: string, of = 'new') => ({ name, query: { [MAKE]: of } })

/** Opens the dialog of a list that was come to for it; a reload, or the way back, opens nothing. */
export function useMake(open: (of: string | undefined) => void): void {
  const route = useRoute()
  const router = useRouter()
  const { path } = route
  watch(
    () => route.query[MAKE],
    async (of) => {
      if (typeof of !== 'string' || route.path !== path) return
      // The dialog is there by then, closed, and sees that it opens.
      await router.replace({ query: { ...route.query, [MAKE]: undefined } })
      open(of === 'new' ? undefined : of)
    },
    { immediate: true },
  )
}
