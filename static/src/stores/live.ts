import { useDebounceFn, useEventBus, type EventBusKey } from '@vueuse/core'
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import { eventsUrl } from '@/api/system'
import type { News, Operation, Topic } from '@/api/types'
import { locale } from '@/i18n'

/** `*` after a pause in the stream: anything may have changed. */
type Change = News['changed'] | { topic: '*' }

const changes: EventBusKey<Change> = Symbol('changes')
const operations: EventBusKey<Operation> = Symbol('operations')
const samples: EventBusKey<void> = Symbol('samples')

const RETRY_MS = 3000

function hear<E extends keyof News>(stream: EventSource, event: E, listener: (data: News[E]) => void): void {
  stream.addEventListener(event, ({ data }) => listener(JSON.parse(data) as News[E]))
}

/** The server's event stream, one connection for the whole page. */
export const useLive = defineStore('live', () => {
  /** The stream broke off and is not back yet. */
  const broken = ref(false)
  const changed = useEventBus(changes)
  const operation = useEventBus(operations)
  const sample = useEventBus(samples)
  let source: EventSource | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let opened = 0

  function connect(): void {
    if (source) return
    const stream = new EventSource(eventsUrl(locale.value))
    source = stream
    stream.onopen = () => {
      broken.value = false
      opened += 1
      // From here on operations come as rows; those that there are already are read once.
      changed.emit({ topic: opened > 1 ? '*' : 'operations' })
    }
    stream.onerror = () => {
      broken.value = true
      // The browser reconnects by itself, except after an answer that is no stream.
      if (stream.readyState !== EventSource.CLOSED) return
      source = undefined
      retry = setTimeout(connect, RETRY_MS)
    }
    hear(stream, 'changed', (change) => changed.emit(change))
    hear(stream, 'operation', (update) => operation.emit(update))
    hear(stream, 'sample', () => sample.emit())
  }

  function disconnect(): void {
    clearTimeout(retry)
    source?.close()
    source = undefined
    broken.value = false
    opened = 0
  }

  // What the server words is worded anew in another language.
  watch(locale, () => {
    if (!source) return
    disconnect()
    connect()
    changed.emit({ topic: '*' })
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
