/**
 * Holds the event streams of all tabs of a browser: over HTTP/1.1 it opens six connections to a server at the most,
 * and each stream of its own would keep one.
 */
import { listen, type StreamOf } from './streams'

/** What a tab asks: to listen to a stream from now on, or no more. */
export type Wanted = StreamOf | { language: null }

const scope = self as unknown as { onconnect: ((event: MessageEvent) => void) | null }

scope.onconnect = ({ ports: [port] }) => {
  let stop: (() => void) | undefined
  port!.onmessage = ({ data: wanted }: MessageEvent<Wanted>) => {
    stop?.()
    stop = wanted.language === null ? undefined : listen(wanted, (heard) => port!.postMessage(heard))
  }
}
