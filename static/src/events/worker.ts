/**
 * Holds the event streams of all tabs of a browser: over HTTP/1.1 it opens six connections to a server at the most,
 * and each stream of its own would keep one.
 */
import { listen } from './streams'

/** What a tab asks: to listen in a language from now on, or no more. */
export type Wanted = { language: string } | { language: null }

const scope = self as unknown as { onconnect: ((event: MessageEvent) => void) | null }

scope.onconnect = ({ ports: [port] }) => {
  let stop: (() => void) | undefined
  port!.onmessage = ({ data: { language } }: MessageEvent<Wanted>) => {
    stop?.()
    stop = language === null ? undefined : listen(language, (heard) => port!.postMessage(heard))
  }
}
