import { reactive, ref, shallowRef } from 'vue'

/** A dialog and what it is about; about nothing, it makes something new. */
export interface Dialog<T> {
  open: boolean
  subject: T | undefined
  show: (subject?: T) => void
}

export function useDialog<T = never>(): Dialog<T> {
  const open = ref(false)
  const subject = shallowRef<T>()

  function show(one?: T): void {
    subject.value = one
    open.value = true
  }

  return reactive({ open, subject, show }) as Dialog<T>
}
