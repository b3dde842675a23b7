/**
 * Files on their way to the server, by the protocol tus: what was cut off goes on. The library comes when the first
 * file does.
 */
import type { DetailedError, Upload as Sending } from 'tus-js-client'
import { ApiError, get, headers, readAnswer } from './http'

const path = '/api/v1.0/uploads'

export interface Listeners {
  /** The server knows it by this name from now on. */
  begun: (uuid: string) => void
  sent: (bytes: number) => void
  /** The connection broke off; it is tried again by itself. */
  cut: () => void
  arrived: () => void
  failed: (error: ApiError) => void
}

/** Milliseconds before each new try without a byte in between: an hour in all. */
const PAUSES = [0, 1000, 2000, 4000, 8000, ...Array<number>(240).fill(15000)]
/** Statuses that may be others a moment later: nobody answers, the server starts, another request is not over. */
const PASSING = [0, 409, 423, 429, 500, 502, 503, 504]

const urlOf = (uuid: string) => `${path}/${uuid}`

/** One's own uploads that are not whole. */
export const unfinished = () => get(path)

/** By which a file is known again when its page was left. */
export const fingerprint = (file: File): string => `${file.name}-${file.size}-${file.lastModified}`

function asError(error: Error | DetailedError): ApiError {
  const answer = 'originalResponse' in error ? error.originalResponse : null
  try {
    readAnswer(answer?.getStatus() ?? 0, answer?.getBody() ?? '')
  } catch (refused) {
    return refused as ApiError
  }
  return new ApiError(error.message, answer?.getStatus() ?? 0)
}

/** Sends a file, or what the server lacks of it: `uuid` is that of an upload that was begun before. */
export async function send(
  file: File,
  metadata: Record<string, string>,
  uuid: string | undefined,
  told: Listeners,
): Promise<Sending> {
  const { Upload } = await import('tus-js-client')
  const sending: Sending = new Upload(file, {
    endpoint: path,
    uploadUrl: uuid ? urlOf(uuid) : null,
    metadata: { ...metadata, filename: file.name, fingerprint: fingerprint(file) },
    headers: headers(),
    retryDelays: PAUSES,
    // The server knows what is unfinished, also for another browser.
    storeFingerprintForResuming: false,
    onUploadUrlAvailable: () => told.begun(sending.url!.split('/').pop()!),
    onProgress: told.sent,
    onShouldRetry: (error) => {
      const passes = PASSING.includes(error.originalResponse?.getStatus() ?? 0)
      if (passes) told.cut()
      return passes
    },
    onSuccess: told.arrived,
    onError: (error) => told.failed(asError(error)),
  })
  sending.start()
  return sending
}

/** Throws away what has arrived of an upload. */
export async function discard(uuid: string): Promise<void> {
  const { Upload } = await import('tus-js-client')
  try {
    await Upload.terminate(urlOf(uuid), { headers: headers() })
  } catch (error) {
    const refused = asError(error as Error)
    // It is gone already.
    if (refused.status !== 404) throw refused
  }
}
