import { useLocalStorage } from '@vueuse/core'
import { ElMessage, type MessageHandler } from 'element-plus'
import { defineStore } from 'pinia'
import { computed, h, ref, shallowRef, watch } from 'vue'
import { useRouter } from 'vue-router'
import { operations as api } from '@/api/system'
import type { Operation } from '@/api/types'
import { useNarrow } from '@/composables/useNarrow'
import { i18n } from '@/i18n'
import { notify } from '@/lib/notice'
import { placeOf } from '@/lib/place'
import { onOperation } from './live'
import { useSession } from './session'

/** So many that ended are kept. */
const RECENT = 50
const FAILED_SHOWN = 5

const ENDS = ['succeeded', 'partly', 'failed', 'cancelled']
export const isOpen = ({ state }: Operation): boolean => !ENDS.includes(state)

/** The list with this row as it is now; of those that ended, the last ones. */
export function withNews(all: Operation[], operation: Operation): Operation[] {
  const known = all.some(({ uuid }) => uuid === operation.uuid)
  const rows = known ? all.map((row) => (row.uuid === operation.uuid ? operation : row)) : [operation, ...all]
  let ended = 0
  return rows.filter((row) => isOpen(row) || ++ended <= RECENT)
}

/** Long work: what runs now and what ended lately. */
export const useOperations = defineStore('operations', () => {
  const all = shallowRef<Operation[]>([])
  /** They were read: that there is none means that there is none. */
  const known = ref(false)
  const narrow = useNarrow()
  /** Left open it is open again; on a phone it would hide the page. */
  const kept = useLocalStorage('carrel.tasks', false)
  const drawer = ref(!narrow.value && kept.value)
  watch(drawer, (open) => narrow.value || (kept.value = open))
  const router = useRouter()
  const session = useSession()
  const user = computed(() => session.current.user?.uuid)
  /** Operations that this page asked for, with the word that they began: their end is announced in its place. */
  const mine = new Map<string, MessageHandler>()

  const running = computed(() => all.value.filter((operation) => isOpen(operation) && operation.state !== 'scheduled'))
  const scheduled = computed(() => all.value.filter(({ state }) => state === 'scheduled'))
  const ended = computed(() => all.value.filter((operation) => !isOpen(operation)))

  async function refresh(): Promise<void> {
    const asking = user.value
    const [open, recent] = await Promise.all([api.list({ open: 1, page_size: 100 }), api.list({ page_size: RECENT })])
    if (asking !== user.value) return
    const have = new Set(open.results.map(({ uuid }) => uuid))
    all.value = [...open.results, ...recent.results.filter(({ uuid }) => !have.has(uuid))]
    known.value = true
    all.value.filter((operation) => !isOpen(operation)).forEach(announce)
  }

  /** The event brings the whole row: nothing is read again. */
  function take(operation: Operation): void {
    all.value = withNews(all.value, operation)
    if (!isOpen(operation)) announce(operation)
  }

  function follow(uuid: string, begun: MessageHandler): void {
    mine.set(uuid, begun)
    const row = all.value.find((operation) => operation.uuid === uuid)
    if (row && !isOpen(row)) announce(row)
  }

  function announce(operation: Operation): void {
    const begun = mine.get(operation.uuid)
    if (!begun) return
    mine.delete(operation.uuid)
    begun.close()
    const { t } = i18n.global
    const title = operation.title
    const lost = operation.parts.filter(({ error }) => error)
    if (operation.state === 'partly' && !operation.failed.length) {
      const reasons = lost.map(({ node_name, error }) => `${node_name}: ${error}`)
      const message = [...reasons, operation.error ?? ''].filter(Boolean).join('\n')
      notify('warning', { title, message, customClass: 'lines' })
    } else if (operation.failed.length) {
      const message = operation.failed
        .slice(0, FAILED_SHOWN)
        .map(({ name, reason }) => `${name}: ${reason}`)
        .join('\n')
      notify('warning', { title, message, customClass: 'lines' })
    } else if (operation.state === 'succeeded') succeeded(operation)
    else if (operation.state === 'cancelled') ElMessage.info(t('operation.cancelled', { title }))
    else {
      const message = operation.error ?? t('state.failed')
      notify('error', { title, message })
    }
  }

  /** Said with a way to it, where it has a page. */
  function succeeded(operation: Operation): void {
    const { t } = i18n.global
    const place = placeOf(operation)
    const text = t('operation.succeeded', { title: operation.title })
    if (!place || operation.kind.endsWith('delete')) return void ElMessage.success(text)
    const link = router.resolve(place)
    const go = (event: MouseEvent) => {
      event.preventDefault()
      shown.close()
      void router.push(place)
    }
    const shown = ElMessage.success({
      message: h('span', [
        `${text} · `,
        h('a', { href: link.href, onClick: go, 'data-test': 'toast-place' }, t('operation.show')),
      ]),
      duration: 6000,
    })
  }

  // Nobody sees what somebody else was shown.
  watch(user, () => {
    all.value = []
    known.value = false
    mine.clear()
  })
  onOperation(take)

  return { all, known, running, scheduled, ended, drawer, refresh, follow }
})
