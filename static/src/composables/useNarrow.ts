import { createGlobalState, useMediaQuery } from '@vueuse/core'

/** True on a phone: lists show fewer columns, the navigation becomes a drawer. */
export const useNarrow = createGlobalState(() => useMediaQuery('(max-width: 720px)'))
