/** The server's event streams, one for each language and user, and those who listen to them. Runs in a shared worker, or in the page. */
import { eventsUrl } from '@/api/system'

/** What a listener hears: an event with its data as it came, or how the stream is. */
export type Heard =
  { state: 'open' | 'broken' | 'refused' } | { event: 'changed' | 'operation' | 'sample'; data: string }

/** Whose events, and in which language they are worded. */
export interface StreamOf {
  language: string
  user: string
}

const EVENTS = ['changed', 'operation', 'sample'] as const
const RETRY_MS = 3000

type Listener = (heard: Heard) => void

interface Stream {
  listeners: Set<Listener>
  isOpen: boolean
  close: () => void
}

const streams = new Map<string, Stream>()

/** Listens to this stream, which is opened for the first one; gives what ends it. */
export function listen({ language, user }: StreamOf, listener: Listener): () => void {
  // Who signs in as somebody else joins no stream that was opened with the former session.
  const name = `${language} ${user}`
  const stream = streams.get(name) ?? open(name, language)
  stream.listeners.add(listener)
  if (stream.isOpen) listener({ state: 'open' })
  return () => {
    stream.listeners.delete(listener)
    if (stream.listeners.size || streams.get(name) !== stream) return
    streams.delete(name)
    stream.close()
  }
}

function open(name: string, language: string): Stream {
  let source: EventSource
  let retry: ReturnType<typeof setTimeout> | undefined
  const stream: Stream = {
    listeners: new Set(),
    isOpen: false,
    close: () => {
      clearTimeout(retry)
      source.close()
    },
  }
  const tell = (heard: Heard) => stream.listeners.forEach((listener) => listener(heard))

  function connect(): void {
    source = new EventSource(eventsUrl(language))
    source.onopen = () => {
      stream.isOpen = true
      tell({ state: 'open' })
    }
    source.onerror = () => {
      stream.isOpen = false
      // The browser reconnects by itself, except after an answer that is no stream.
      const isOver = source.readyState === EventSource.CLOSED
      tell({ state: isOver ? 'refused' : 'broken' })
      if (isOver && stream.listeners.size) retry = setTimeout(connect, RETRY_MS)
    }
    for (const event of EVENTS) source.addEventListener(event, ({ data }) => tell({ event, data }))
  }

  connect()
  streams.set(name, stream)
  return stream
}
