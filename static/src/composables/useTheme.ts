import { createGlobalState, useColorMode } from '@vueuse/core'

/** Light, dark, or as the system says; shared by the whole page. */
export const useTheme = createGlobalState(() => useColorMode({ storageKey: 'carrel.theme' }))
