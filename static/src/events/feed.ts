import { listen, type Heard, type StreamOf } from './streams'
import type { Wanted } from './worker'

type Listener = (heard: Heard) => void

interface Shared {
  say: (wanted: Wanted) => void
  hear: Listener | undefined
}

/** The worker that all tabs share; `null` where there is none, or it is of no use. */
let shared: Shared | null | undefined
/** Lets the page listen by itself in what the worker did for it until now. */
let listenHere: (() => void) | undefined

function connect(): Shared | null {
  // A browser that was told to go on with a certificate it does not know goes on in pages, not in workers.
  // Over TLS there is HTTP/2 besides, with one connection for any number of streams.
  if (location.protocol === 'https:' || !('SharedWorker' in globalThis)) return null
  let worker: SharedWorker
  try {
    worker = new SharedWorker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'carrel-events' })
  } catch {
    return null
  }
  let wasOpen = false
  const connected: Shared = { say: (wanted) => worker.port.postMessage(wanted), hear: undefined }
  const giveUp = () => {
    if (shared !== connected) return
    shared = null
    listenHere?.()
  }
  worker.port.onmessage = ({ data }: MessageEvent<Heard>) => {
    if ('state' in data && data.state === 'open') wasOpen = true
    if ('state' in data && data.state === 'broken' && !wasOpen) giveUp()
    else connected.hear?.(data)
  }
  worker.onerror = giveUp
  return connected
}

/** Listens to these events of the server; gives what ends it. A page listens once at a time. */
export function feed(stream: StreamOf, hear: Listener): () => void {
  if (shared === undefined) shared = connect()
  if (!shared) return listen(stream, hear)
  let leave = listenThere(shared, stream, hear)
  listenHere = () => {
    leave()
    leave = listen(stream, hear)
  }
  return () => {
    listenHere = undefined
    leave()
  }
}

function listenThere(there: Shared, { language, user }: StreamOf, hear: Listener): () => void {
  // A tab that is closed, or put aside to be gone back to, needs no stream.
  const away = () => there.say({ language: null })
  const back = ({ persisted }: PageTransitionEvent) => persisted && there.say({ language, user })
  there.hear = hear
  there.say({ language, user })
  addEventListener('pagehide', away)
  addEventListener('pageshow', back)
  return () => {
    there.hear = undefined
    away()
    removeEventListener('pagehide', away)
    removeEventListener('pageshow', back)
  }
}
