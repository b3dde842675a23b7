import { computed, onBeforeUnmount, ref, shallowRef, watch, type Ref } from 'vue'
import { ApiError } from '@/api/http'
import { openConsole, type ConsoleKind } from '@/api/teaching'
import type { Named } from '@/api/types'
import { SHIFT, strokeOf, type Key } from '@/lib/typing'
import type GuestScreen from './vnc/GuestScreen'

export type ScreenState = 'idle' | 'connecting' | 'connected' | 'lost'

/** A guest that reboots, or only just starts, has no screen for a moment. */
const AGAIN_MS = 2000
const TRIES = 15
/** A guest's keyboard holds a few keys; those that come faster are lost. */
const KEY_MS = 25

/** The picture of a guest in `target`. Every connection asks for a token of its own. */
export function useScreen(target: Ref<HTMLElement | null>, kind: ConsoleKind) {
  const state = ref<ScreenState>('idle')
  const error = shallowRef<ApiError>()
  const scale = ref(true)
  const rfb = shallowRef<GuestScreen>()
  /** What the machine has beside a picture, and whether the server of the screen knows sound. */
  const has = shallowRef({ sound: false, clipboard: false })
  const knowsSound = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let tries = 0
  let turn = 0

  function close(): void {
    clearTimeout(timer)
    turn += 1
    const client = rfb.value
    rfb.value = undefined
    client?.disconnect()
    state.value = 'idle'
  }

  function connect(subject: Named): Promise<void> {
    tries = 0
    return attempt(subject)
  }

  async function attempt(subject: Named): Promise<void> {
    close()
    const mine = turn
    state.value = 'connecting'
    try {
      const [console, { default: Client }] = await Promise.all([
        openConsole(kind, subject),
        import('./vnc/GuestScreen'),
      ])
      if (mine !== turn || !target.value) return
      has.value = console
      knowsSound.value = false
      open(new Client(target.value, console.websockify_url, { shared: true }), subject)
    } catch (failure) {
      if (mine === turn) again(subject, failure as ApiError)
    }
  }

  function open(client: GuestScreen, subject: Named): void {
    rfb.value = client
    client.scaleViewport = scale.value
    client.background = 'transparent'
    client.oncansound = () => (knowsSound.value = true)
    client.addEventListener('connect', () => {
      tries = 0
      error.value = undefined
      state.value = 'connected'
      client.focus()
    })
    client.addEventListener('disconnect', () => {
      if (rfb.value !== client) return
      rfb.value = undefined
      again(subject)
    })
  }

  function again(subject: Named, failure?: ApiError): void {
    error.value = failure
    tries += 1
    const final = failure && [401, 403, 404].includes(failure.status)
    if (final || tries > TRIES) {
      state.value = 'lost'
      return
    }
    state.value = 'connecting'
    timer = setTimeout(() => attempt(subject), AGAIN_MS)
  }

  watch(scale, (on) => {
    if (rfb.value) rfb.value.scaleViewport = on
  })
  onBeforeUnmount(close)

  /** No screen to be had; that a last attempt failed is no news then. */
  function leave(): void {
    close()
    error.value = undefined
  }

  /** Gives the keyboard back. */
  function blur(): void {
    // noVNC lets go of keys that are still down only when the window loses the focus; the guest would keep them.
    window.dispatchEvent(new Event('blur'))
    rfb.value?.blur()
  }

  /** Presses keys together and lets go of them. */
  function press(keys: Key[]): void {
    for (const [keysym, code] of keys) rfb.value?.sendKey(keysym, code, true)
    for (const [keysym, code] of [...keys].reverse()) rfb.value?.sendKey(keysym, code, false)
  }

  function combine(keys: Key[]): void {
    press(keys)
    rfb.value?.focus()
  }

  let typing = Promise.resolve()
  /** Types a text, one key after the other; what another picture shows by then is not typed into. */
  function type(text: string): Promise<void> {
    const client = rfb.value
    typing = typing.then(async () => {
      for (const char of text) {
        if (!client || rfb.value !== client) return
        const stroke = strokeOf(char)
        if (stroke) press([...(stroke.shift ? [SHIFT] : []), [stroke.keysym, stroke.code]])
        await new Promise((done) => setTimeout(done, KEY_MS))
      }
    })
    return typing
  }

  const focus = () => rfb.value?.focus()
  const canSound = computed(() => has.value.sound && knowsSound.value && Boolean(rfb.value))
  const hasClipboard = computed(() => has.value.clipboard)

  return {
    client: rfb,
    canSound,
    hasClipboard,
    state,
    error,
    scale,
    connect,
    close: leave,
    blur,
    focus,
    press,
    combine,
    type,
  }
}
