import { createGlobalState, useLocalStorage } from '@vueuse/core'
import { computed } from 'vue'
import { useNarrow } from './useNarrow'

/** How close the rows of tables stand: a screen full of them, or with every second line. A phone has its own form. */
export const useDensity = createGlobalState(() => {
  const narrow = useNarrow()
  const roomy = useLocalStorage('carrel.roomy', false)
  const dense = computed(() => !roomy.value && !narrow.value)
  return { roomy, dense }
})
