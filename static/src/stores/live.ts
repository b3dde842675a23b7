import { useDebounceFn, useEventBus, type EventBusKey } from '@vueuse/core'
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import type { News, Operation, Topic } from '@/api/types'
import { feed } from '@/events/feed'
import type { Heard } from '@/events/streams'
import { locale } from '@/i18n'
import { useSession } from './session'

/** `*` when the stream opens, at first or again: anything may have changed. */
type Change = News['changed'] | { topic: '*' }

const changes: EventBusKey<Change> = Symbol('changes')
const operations: EventBusKey<Operation> = Symbol('operations')
const samples: EventBusKey<void> = Symbol('samples')

/** The server's events, as this page hears them. */
export const useLive = defineStore('live', () => {
  /** The stream broke off and is not back yet. */
  const broken = ref(false)
  const changed = useEventBus(changes)
  const operation = useEventBus(operations)
  const sample = useEventBus(samples)
  const session = useSession()
  let leave: (() => void) | undefined

  function hear(heard: Heard): void {
    if ('state' in heard) hearState(heard.state)
    else if (heard.event === 'changed') changed.emit(JSON.parse(heard.data))
    else if (heard.event === 'operation') operation.emit(JSON.parse(heard.data))
    else sample.emit()
  }

  function hearState(state: 'open' | 'broken' | 'refused'): void {
    broken.value = state !== 'open'
    // The session may have ended. A server that is away does not answer that, and is waited for.
    if (broken.value) return void session.load().catch(() => {})
    // What changed before, also between a page's first reading and now, was not heard.
    changed.emit({ topic: '*' })
  }

  function connect(): void {
    leave ??= feed({ language: locale.value, user: session.current.user?.uuid ?? '' }, hear)
  }

  function disconnect(): void {
    leave?.()
    leave = undefined
    broken.value = false
  }

  // What the server words is worded anew in another language.
  watch(locale, () => {
    if (!leave) return
    disconnect()
    connect()
  })

  return { broken, connect, disconnect }
})

/** Calls `refresh` soon after one of the topics changed; a burst of changes is one call. */
export function onChange(topics: Topic[], refresh: () => unknown): void {
  const soon = useDebounceFn(refresh, 300, { maxWait: 1500 })
  useEventBus(changes).on((change) => {
    if (change.topic === '*' || topics.includes(change.topic)) void soon()
  })
}

export const onOperation = (listener: (operation: Operation) => void) => useEventBus(operations).on(listener)
export const onSample = (listener: () => void) => useEventBus(samples).on(listener)
