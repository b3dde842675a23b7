import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { effectScope, nextTick, ref, shallowRef, type EffectScope } from 'vue'
import { useSound } from './useSound'

const MINUTE = 60_000
const { gestures, player, visibility } = await vi.hoisted(async () => {
  const { ref } = await import('vue')
  const calls = () => ({ start: vi.fn(), wake: vi.fn(), rest: vi.fn(), play: vi.fn(), close: vi.fn() })
  return { gestures: new Map<string, (event: unknown) => void>(), player: calls(), visibility: ref('visible') }
})

vi.mock('@vueuse/core', async (original) => ({
  ...(await original<object>()),
  useDocumentVisibility: () => visibility,
  useEventListener: (_: unknown, name: string, heard: (event: unknown) => void) => gestures.set(name, heard),
  useLocalStorage: (_: string, value: object) => ref(value),
}))
vi.mock('./sound/Player', () => ({
  Player: vi.fn(function () {
    return player
  }),
}))
vi.mock('vue', async (original) => ({ ...(await original<object>()), onBeforeUnmount: () => {} }))

/** The screen of a guest, as far as sound goes. */
const guest = { listen: vi.fn(), onsound: undefined as ((bytes: Uint8Array) => void) | undefined }
const canSound = ref(true)
let scope: EffectScope

function open() {
  scope = effectScope()
  return scope.run(() => useSound(shallowRef(guest) as never, canSound))!
}

const listens = () => guest.listen.mock.lastCall?.[0] as boolean
const silence = new Uint8Array(8)
const tone = new Uint8Array([0, 16, 0, 16])

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('window', { isSecureContext: true, AudioWorkletNode: class {} })
  vi.stubGlobal('navigator', { userActivation: { hasBeenActive: true } })
  vi.stubGlobal('Element', class {})
  visibility.value = 'visible'
  canSound.value = true
})

afterEach(() => {
  scope.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.clearAllMocks()
})

async function hidden(): Promise<void> {
  visibility.value = 'hidden'
  await nextTick()
}

test('a page that nobody looks at stops listening to silence, and hears again when somebody looks', async () => {
  open()
  expect(listens()).toBe(true)
  await hidden()
  vi.advanceTimersByTime(4 * MINUTE)
  guest.onsound!(silence)
  await nextTick()
  expect(listens()).toBe(true)
  vi.advanceTimersByTime(2 * MINUTE)
  await nextTick()
  expect(listens()).toBe(false)
  visibility.value = 'visible'
  await nextTick()
  expect(listens()).toBe(true)
})

test('a lecture that plays on is heard behind other pages', async () => {
  open()
  await hidden()
  for (let minute = 0; minute < 30; minute += 1) {
    vi.advanceTimersByTime(MINUTE)
    guest.onsound!(tone)
    await nextTick()
  }
  expect(listens()).toBe(true)
})

test('nothing is sent by a machine without a sound card, or while it is muted', async () => {
  canSound.value = false
  const sound = open()
  expect([sound.state.value, listens()]).toEqual(['none', false])
  canSound.value = true
  await nextTick()
  expect([sound.state.value, listens()]).toEqual(['on', true])
  sound.toggle()
  await nextTick()
  expect([sound.state.value, listens()]).toEqual(['muted', false])
})

test('before somebody clicked, and where a page came by plain HTTP, it says so', async () => {
  vi.stubGlobal('navigator', { userActivation: { hasBeenActive: false } })
  const waiting = open()
  expect([waiting.state.value, listens()]).toEqual(['waiting', false])
  gestures.get('keydown')!({ target: null })
  await nextTick()
  expect([waiting.state.value, listens()]).toEqual(['on', true])
  scope.stop()
  vi.stubGlobal('window', { isSecureContext: false, AudioWorkletNode: class {} })
  expect(open().state.value).toBe('insecure')
})
