import { useDocumentVisibility, useEventListener, useIntervalFn, useLocalStorage } from '@vueuse/core'
import { computed, onBeforeUnmount, ref, watch, type Ref } from 'vue'
import type { Player } from './sound/Player'
import { isHeard, samples } from './sound/pcm'
import type GuestScreen from './vnc/GuestScreen'

/** How long a page that nobody looks at goes on listening to silence. */
const AWAY_MS = 5 * 60_000
const LOOK_MS = 15_000
/** Marks what does not count as a click anywhere. */
export const SOUND_PLACE = 'data-sound'

export type SoundState = 'none' | 'insecure' | 'failed' | 'waiting' | 'muted' | 'on'

/** What a guest plays, to be heard here. Nothing is sent while nobody can hear it. */
export function useSound(screen: Ref<GuestScreen | undefined>, canSound: Ref<boolean>) {
  const kept = useLocalStorage('carrel.sound', { muted: false, volume: 0.8 })
  /** Browsers let a page be heard only after somebody has clicked or typed in it. */
  const touched = ref(navigator.userActivation?.hasBeenActive ?? false)
  const away = ref(false)
  const failed = ref(false)
  const visibility = useDocumentVisibility()
  // Browsers play what comes in pieces only in a page that came by HTTPS, or from this machine.
  const isPossible = computed(() => window.isSecureContext && 'AudioWorkletNode' in window)
  const isMuted = computed(() => kept.value.muted || kept.value.volume <= 0)
  const state = computed<SoundState>(() => {
    if (!canSound.value) return 'none'
    if (!isPossible.value) return 'insecure'
    if (failed.value) return 'failed'
    if (isMuted.value) return 'muted'
    return touched.value ? 'on' : 'waiting'
  })
  const listens = computed(() => state.value === 'on' && !away.value)
  let player: Promise<Player> | undefined
  let ready: Player | undefined
  let closed = false
  let heardAt = 0

  function touch(event: Event): void {
    const target = event.target instanceof Element ? event.target : undefined
    // Escape leaves things; browsers do not count it.
    if (target?.closest(`[${SOUND_PLACE}]`) || ('key' in event && event.key === 'Escape')) return
    touched.value = true
    if (listens.value) ready?.wake()
  }
  for (const gesture of ['mousedown', 'pointerup', 'keydown'] as const) {
    useEventListener(window, gesture, touch, { capture: true })
  }

  async function make(): Promise<Player> {
    const { Player } = await import('./sound/Player')
    const made = new Player()
    try {
      await made.start()
      return made
    } catch (cause) {
      made.close()
      throw cause
    }
  }

  async function wake(): Promise<void> {
    try {
      player ??= make()
      ready = await player
      if (closed) return ready.close()
      ready.volume = kept.value.volume
      if (listens.value) ready.wake()
      else ready.rest()
    } catch (cause) {
      console.error('no sound', cause)
      player = undefined
      failed.value = true
    }
  }

  function hear(bytes: Uint8Array): void {
    const sound = samples(bytes)
    if (isHeard(sound)) heardAt = performance.now()
    ready?.play(sound)
  }

  watch(
    [screen, listens],
    ([client, on], [before]) => {
      if (before && before !== client) before.onsound = undefined
      if (client) client.onsound = hear
      client?.listen(on)
      if (on) void wake()
      else ready?.rest()
    },
    { immediate: true },
  )
  watch(
    () => kept.value.volume,
    (volume) => ready && (ready.volume = volume),
  )

  const look = useIntervalFn(
    () => {
      if (performance.now() - heardAt > AWAY_MS) away.value = true
    },
    LOOK_MS,
    { immediate: false },
  )
  watch(visibility, (now) => {
    if (now === 'visible') {
      look.pause()
      away.value = false
    } else {
      heardAt = performance.now()
      look.resume()
    }
  })

  onBeforeUnmount(() => {
    closed = true
    ready?.close()
  })

  /** What a click on the button asks for. */
  function toggle(): void {
    if (state.value === 'failed') failed.value = false
    else if (state.value === 'waiting') touched.value = true
    else if (kept.value.volume <= 0) kept.value = { muted: false, volume: 0.5 }
    else kept.value.muted = !kept.value.muted
    if (!kept.value.muted) touched.value = true
  }

  const volume = computed({
    get: () => kept.value.volume,
    set: (volume) => {
      kept.value = { muted: false, volume }
      touched.value = true
    },
  })

  return { state, volume, toggle }
}
