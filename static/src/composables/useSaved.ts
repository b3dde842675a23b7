import { shallowRef, watch, type Ref } from 'vue'
import type { ApiError } from '@/api/http'

/**
 * Reads what a dialog's form changes, each time that it opens. An answer that comes when it is closed, or about another
 * object, is not taken.
 */
export function useSaved<T extends object>(
  open: Ref<boolean>,
  input: T,
  uuid: () => string,
  fetch: (uuid: string) => Promise<T>,
) {
  /** The form says what is saved, or what somebody made of it. */
  const read = shallowRef(false)
  const error = shallowRef<ApiError>()

  async function load(): Promise<void> {
    if (!open.value) return
    read.value = false
    error.value = undefined
    const asked = uuid()
    const isStill = () => open.value && uuid() === asked
    try {
      const found = await fetch(asked)
      if (!isStill()) return
      Object.assign(input, found)
      read.value = true
    } catch (cause) {
      if (isStill()) error.value = cause as ApiError
    }
  }

  watch(open, load, { immediate: true })
  return { read, error }
}
