import type RFB from '@novnc/novnc'
import { onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { ApiError } from '@/api/http'
import { consoleUrl, type ConsoleKind } from '@/api/teaching'
import type { Named } from '@/api/types'

export type ScreenState = 'connecting' | 'connected' | 'waiting' | 'lost'

/** A guest that only just starts has no screen yet. */
const AGAIN_MS = 2000
const TRIES = 20

/** The picture of a guest in `target`. Every connection asks for a token of its own. */
export function useScreen(target: Ref<HTMLElement | null>, kind: ConsoleKind, subject: Named) {
  const { t } = useI18n()
  const state = ref<ScreenState>('connecting')
  const error = shallowRef<ApiError>()
  const scale = ref(true)
  const rfb = shallowRef<RFB>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let tries = 0
  let turn = 0

  function close(): void {
    clearTimeout(timer)
    turn += 1
    rfb.value?.disconnect()
    rfb.value = undefined
  }

  /** From the beginning, with patience for a guest that starts. */
  function connect(): Promise<void> {
    tries = 0
    return attempt()
  }

  async function attempt(): Promise<void> {
    close()
    const mine = turn
    if (state.value !== 'waiting') state.value = 'connecting'
    try {
      const [url, { default: Client }] = await Promise.all([consoleUrl(kind, subject), import('@novnc/novnc')])
      if (mine !== turn || !target.value) return
      open(new Client(target.value, url, { shared: true }))
      error.value = undefined
    } catch (failure) {
      if (mine === turn) later(failure as ApiError)
    }
  }

  function open(client: RFB): void {
    rfb.value = client
    client.scaleViewport = scale.value
    client.background = 'transparent'
    client.focusOnClick = true
    client.addEventListener('connect', () => {
      tries = 0
      state.value = 'connected'
      client.focus()
    })
    client.addEventListener('disconnect', () => {
      if (rfb.value !== client) return
      rfb.value = undefined
      // A reboot ends the picture, and a moment later there is one again.
      later(new ApiError(t('console.lost'), 0))
    })
  }

  function later(failure: ApiError): void {
    error.value = failure
    tries += 1
    if (tries > TRIES || failure.status === 401 || failure.status === 403 || failure.status === 404) {
      state.value = 'lost'
      return
    }
    state.value = 'waiting'
    timer = setTimeout(attempt, AGAIN_MS)
  }

  watch(scale, (on) => {
    if (rfb.value) rfb.value.scaleViewport = on
  })
  onBeforeUnmount(close)

  return { state, error, scale, connect, sendKeys: () => rfb.value?.sendCtrlAltDel(), focus: () => rfb.value?.focus() }
}
