/** The one door to the server: envelope, errors, language. */

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly requestId = '',
    /** The input field that the server names, when it names one. */
    readonly field = '',
    readonly details: unknown = undefined,
    /** What went wrong, in a word that programs know it by. */
    readonly key = '',
  ) {
    super(message)
  }
}

export interface Answer<T> {
  data: T
  msg: string
}

export interface Page<T> {
  count: number
  next: string | null
  previous: string | null
  results: T[]
}

export type Query = Record<string, string | number | boolean | null | undefined>

interface Envelope {
  code?: number
  msg?: string
  /** Bare answers outside `/api/v1.0` carry their text and its key here. */
  message?: string
  error?: string
  data?: unknown
}

const hooks = {
  language: () => 'zh-CN',
  unreachable: () => 'The server does not answer.',
  signedOut: () => {},
}

/** Gives the client the reader's language and tells it what to do when the session is over. */
export function connectHttp(given: Partial<typeof hooks>): void {
  Object.assign(hooks, given)
}

export function buildUrl(path: string, query: Query = {}): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '')
  const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString()
  return text ? `${path}?${text}` : path
}

export function headers(more: Record<string, string> = {}): Record<string, string> {
  return { Accept: 'application/json', 'Accept-Language': hooks.language(), ...more }
}

/** Turns an answer's text into its data, or throws what the server said. */
export function readAnswer<T>(status: number, text: string): Answer<T> {
  let body: Envelope
  try {
    body = text ? (JSON.parse(text) as Envelope) : {}
  } catch {
    throw new ApiError(hooks.unreachable(), status)
  }
  const data = body.data as { request_id?: string; field?: string; details?: unknown; error?: string } | undefined
  if (status >= 400 || (body.code ?? 0) !== 0) {
    const message = body.msg || body.message || `HTTP ${status}`
    throw new ApiError(message, status, data?.request_id, data?.field, data?.details, data?.error ?? body.error)
  }
  // Document 001 answers without an envelope.
  if (body.code === undefined) return { data: body as T, msg: '' }
  return { data: (body.data ?? {}) as T, msg: body.msg ?? '' }
}

export async function call<T>(
  method: string,
  path: string,
  options: { query?: Query; body?: unknown; long?: boolean; signal?: AbortSignal } = {},
): Promise<Answer<T>> {
  const more: Record<string, string> = {}
  if (options.body !== undefined) more['Content-Type'] = 'application/json'
  // Work longer than a request becomes an operation, whose progress comes by events.
  if (options.long) more.Prefer = 'respond-async'
  let answer: Response
  let text: string
  try {
    answer = await fetch(buildUrl(path, options.query), {
      method,
      headers: headers(more),
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
      credentials: 'same-origin',
    })
    text = await answer.text()
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    throw new ApiError(hooks.unreachable(), 0)
  }
  if (answer.status === 401) hooks.signedOut()
  return readAnswer<T>(answer.status, text)
}

export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return (await call<T>('GET', path, { query, signal })).data
}

/** What a command answers, beyond the envelope. */
export interface CommandData {
  operation_uuid?: string
  success_num?: number
  failed_num?: number
  [key: string]: unknown
}

export type Command = Promise<Answer<CommandData>>

export const post = (path: string, body: unknown = {}): Command => call('POST', path, { body, long: true })
export const put = (path: string, body: unknown): Command => call('PUT', path, { body, long: true })
export const remove = (path: string, body: unknown): Command => call('DELETE', path, { body, long: true })
export const action = (path: string, name: string, param: unknown): Command => post(path, { action: name, param })
