import { listen, type Heard } from './streams'
import type { Wanted } from './worker'

type Listener = (heard: Heard) => void

interface Shared {
  say: (wanted: Wanted) => void
  hear: Listener | undefined
}

/** The worker that all tabs share; `null` where the browser has no such thing, or did not get it. */
let shared: Shared | null | undefined

function connect(failed: () => void): Shared | null {
  if (!('SharedWorker' in globalThis)) return null
  const worker = new SharedWorker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'carrel-events' })
  const connected: Shared = { say: (wanted) => worker.port.postMessage(wanted), hear: undefined }
  worker.port.onmessage = ({ data }: MessageEvent<Heard>) => connected.hear?.(data)
  worker.onerror = () => {
    shared = null
    failed()
  }
  return connected
}

/** Listens to the server's events in this language; gives what ends it. A page listens once at a time. */
export function feed(language: string, hear: Listener): () => void {
  let leave = () => {}
  const listenHere = () => (leave = listen(language, hear))
  if (shared === undefined) shared = connect(listenHere)
  if (shared) leave = listenThere(shared, language, hear)
  else listenHere()
  return () => leave()
}

function listenThere(there: Shared, language: string, hear: Listener): () => void {
  // A tab that is closed, or put aside to be gone back to, needs no stream.
  const away = () => there.say({ language: null })
  const back = ({ persisted }: PageTransitionEvent) => persisted && there.say({ language })
  there.hear = hear
  there.say({ language })
  addEventListener('pagehide', away)
  addEventListener('pageshow', back)
  return () => {
    there.hear = undefined
    away()
    removeEventListener('pagehide', away)
    removeEventListener('pageshow', back)
  }
}
