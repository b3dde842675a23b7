import { useEventListener, useLocalStorage } from '@vueuse/core'
import { computed, ref, watch, type Ref } from 'vue'
import { CAN_PASTE } from './vnc/clipboard'
import type GuestScreen from './vnc/GuestScreen'

/** Characters. QEMU closes the connection for good when a text is a megabyte or more. */
export const MOST_COPIED = 250_000

/** Windows ends lines with two characters; guests and what came from them have one. */
const withPlainLines = (text: string) => text.replaceAll('\r', '')

/** Texts copied in the guest, and texts for its clipboard. `isShared`: exchanged with this machine's own by itself. */
export function useGuestClipboard(screen: Ref<GuestScreen | undefined>, isThere: Ref<boolean>) {
  const fromGuest = ref('')
  const kept = useLocalStorage('carrel.clipboard', false)
  // Browsers let only pages that came by HTTPS, or from this machine, read what was copied elsewhere.
  const canShare = window.isSecureContext && Boolean(navigator.clipboard?.readText)
  const isShared = computed(() => kept.value && canShare)
  /** What both sides have. */
  let last = ''

  function send(typed: string): void {
    const text = withPlainLines(typed)
    if (!isThere.value || !text || text.length > MOST_COPIED) return
    last = text
    screen.value?.clipboardPasteFrom(text)
  }

  /** What was copied on this machine while the guest was not looked at. */
  async function sendOwn(): Promise<void> {
    if (!isShared.value || !screen.value || !document.hasFocus()) return
    try {
      const text = withPlainLines(await navigator.clipboard.readText())
      if (text !== last) send(text)
    } catch {
      // Not allowed, or something else than text: the guest keeps what it has.
    }
  }

  async function take(event: Event): Promise<void> {
    if (!isThere.value) return
    fromGuest.value = last = (event as CustomEvent<{ text: string }>).detail.text
    if (!isShared.value) return
    try {
      await navigator.clipboard.writeText(fromGuest.value)
    } catch {
      // Not allowed just now: the dialog has it.
    }
  }

  /** `false`: the browser does not allow it. */
  async function share(on: boolean): Promise<boolean> {
    kept.value = on
    if (!on) return true
    try {
      // Here the browser asks.
      const text = withPlainLines(await navigator.clipboard.readText())
      if (text !== last) send(text)
      return true
    } catch {
      kept.value = false
      return false
    }
  }

  watch(screen, (client, before) => {
    before?.removeEventListener('clipboard', take)
    client?.addEventListener('clipboard', take)
    client?.addEventListener(CAN_PASTE, sendOwn)
    last = ''
  })
  useEventListener(window, 'focus', sendOwn)

  return { fromGuest, isShared, canShare, send, share }
}
