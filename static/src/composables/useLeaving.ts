import { useEventListener } from '@vueuse/core'
import { ElMessageBox } from 'element-plus'
import { watch, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'

/**
 * How one leaves a dialog with a form: what was filled in is not thrown away without a question, and Escape works
 * wherever the focus is. `frame` is what stands around the fields.
 */
export function useLeaving(open: Ref<boolean>, model: () => unknown, frame: Ref<HTMLElement | null>) {
  const { t } = useI18n()
  /** As it was when the reader first did something; what the dialog fills in by itself comes before. */
  let before: string | undefined
  let asking = false
  const now = () => JSON.stringify(model())

  watch(open, () => (before = undefined))

  function touch(): void {
    before ??= now()
  }

  async function leave(): Promise<void> {
    if (asking) return
    if (before !== undefined && before !== now()) {
      asking = true
      const sure = await ElMessageBox.confirm(t('form.leaveText'), t('form.leave'), {
        type: 'warning',
        confirmButtonText: t('form.leaveDo'),
        cancelButtonText: t('form.stay'),
      }).catch(() => false)
      asking = false
      if (!sure) return
    }
    open.value = false
  }

  // A select keeps Escape for itself, also when it has nothing to close.
  useEventListener(
    document,
    'keydown',
    (event: KeyboardEvent) => {
      const target = event.target as HTMLElement
      if (event.key !== 'Escape' || !open.value || !frame.value?.contains(target)) return
      if (target.closest('[aria-expanded]')?.getAttribute('aria-expanded') !== 'false') return
      event.preventDefault()
      event.stopPropagation()
      void leave()
    },
    { capture: true },
  )

  return { touch, leave }
}
