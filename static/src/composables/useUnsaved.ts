import { useEventListener } from '@vueuse/core'
import { ElMessageBox } from 'element-plus'
import { useI18n } from 'vue-i18n'
import { onBeforeRouteLeave } from 'vue-router'

/** Asks before a page is left whose changes are not saved. */
export function useUnsaved(changed: () => boolean): void {
  const { t } = useI18n()

  useEventListener(window, 'beforeunload', (event: BeforeUnloadEvent) => {
    if (changed()) event.preventDefault()
  })

  onBeforeRouteLeave(async () => {
    if (!changed()) return true
    return ElMessageBox.confirm(t('role.leaveText'), t('role.unsaved'), {
      type: 'warning',
      confirmButtonText: t('role.leave'),
      cancelButtonText: t('common.cancel'),
    }).then(
      () => true,
      () => false,
    )
  })
}
