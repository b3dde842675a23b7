import { ElMessage, ElMessageBox } from 'element-plus'
import { h, ref, shallowRef, type VNode } from 'vue'
import { useI18n } from 'vue-i18n'
import { ApiError, outcomeOf, type Answer, type Command } from '@/api/http'
import RequestId from '@/components/RequestId.vue'
import { notify } from '@/lib/notice'
import { useOperations } from '@/stores/operations'

const NAMES_SHOWN = 8

export interface Question {
  title: string
  /** What will be lost, in a sentence. */
  text: string
  /** The objects concerned. */
  names?: string[]
  button: string
}

interface Options {
  ask?: Question
  /** Said when it is done, or when it has begun. */
  done?: string
  /** Keep a failure in `error` instead of a notification, for forms that show it themselves. */
  inline?: boolean
}

/** Shows a failure: the server's words, and the request id for the log. */
export function showError(error: unknown): void {
  const known = error as ApiError
  const lines: VNode[] = [h('div', known.message)]
  lines.push(h(RequestId, { id: known.requestId }))
  notify('error', { message: h('div', lines) })
}

/** One way to do something on the server: ask, run, follow its operation, say how it ended. */
export function useAction() {
  const { t } = useI18n()
  const busy = ref(false)
  const error = shallowRef<ApiError>()

  async function confirmed({ title, text, names = [], button }: Question): Promise<boolean> {
    const shown = names.slice(0, NAMES_SHOWN).map((name) => h('li', name))
    const rest = names.length - shown.length
    if (rest > 0) shown.push(h('li', t('confirm.more', { count: rest })))
    const message = h('div', [h('p', text), names.length ? h('ul', { class: 'confirm-names' }, shown) : null])
    try {
      await ElMessageBox.confirm(message, title, {
        confirmButtonText: button,
        cancelButtonText: t('common.cancel'),
        confirmButtonClass: 'el-button--danger',
        type: 'warning',
        // Enter pressed once too often must not delete.
        autofocus: false,
      })
      return true
    } catch {
      return false
    }
  }

  function report({ data, msg }: Answer<unknown>, done?: string): void {
    const outcome = outcomeOf(data)
    if (outcome.operation_uuid) {
      useOperations().follow(outcome.operation_uuid, ElMessage.info(done ?? t('operation.started')))
    } else if (outcome.failed_num) {
      notify('warning', { message: msg })
    } else {
      ElMessage.success(done ?? t('common.done'))
    }
  }

  /** True when the server took it. */
  async function run(command: () => Command, options: Options = {}): Promise<boolean> {
    if (busy.value) return false
    if (options.ask && !(await confirmed(options.ask))) return false
    busy.value = true
    error.value = undefined
    try {
      report(await command(), options.done)
      return true
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure
      if (options.inline) error.value = failure
      else showError(failure)
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, error, run }
}
