/**
 * The one door to the server: envelope, errors, language. What a path takes and gives comes from the server's
 * OpenAPI document; path parameters are written as they stand there.
 */
import type { components, paths } from './schema'

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
  missing: () => 'This is not there any more.',
  signedOut: () => {},
  factorRequired: () => {},
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
  const data = body.data as
    null | { request_id?: string; field?: string; details?: unknown; error?: string } | undefined
  const code = body.code ?? 0
  if (status >= 400 || code !== 0) {
    const message = body.msg || body.message || `HTTP ${status}`
    // What document 002's operations refuse comes with HTTP status 200: the code has it.
    const meant = code >= 400 ? code : status
    throw new ApiError(message, meant, data?.request_id, data?.field, data?.details, data?.error ?? body.error)
  }
  // Document 001 answers without an envelope.
  if (body.code === undefined) return { data: body as T, msg: '' }
  return { data: body.data as T, msg: body.msg ?? '' }
}

type Method = 'get' | 'post' | 'put' | 'delete'
/** Paths that have a method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, object> ? P : never
}[keyof paths]

/** What a path takes. */
export type Body<P extends PathOf<M>, M extends Method> = paths[P][M] extends {
  requestBody?: { content: { 'application/json': infer B } }
}
  ? B
  : undefined

type Inside<C> = C extends { code: 0; data: infer D } ? Whole<D> : C extends { code: number } ? never : C
/** Of a list its page: one row alone is asked for by {@link getOne}. */
type Whole<D> = Extract<D, { results: unknown[] }> extends never ? D : Extract<D, { results: unknown[] }>
/** What a path answers, out of its envelope; of each of its actions. */
export type Data<P extends PathOf<M>, M extends Method = 'get'> = paths[P][M] extends {
  responses: { 200: { content: { 'application/json': infer C } } }
}
  ? Inside<C>
  : never

/** A row of the list at a path. */
export type Row<P extends PathOf<'get'>> = Data<P> extends { results: (infer R)[] } ? R : never

type Acting<P extends PathOf<'post'>> = Extract<Body<P, 'post'>, { action: string; param: unknown }>
/** The actions of a path. */
export type ActionOf<P extends PathOf<'post'>> = Acting<P>['action']
/** What an action of a path takes. */
export type Param<P extends PathOf<'post'>, A extends ActionOf<P>> = Extract<Acting<P>, { action: A }>['param']

type Names<P extends string> = P extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never
/** Values for the `{names}` in a path. */
type Values<P extends string> = Record<Names<P>, string | number>
/** They are given where there are some. */
type Given<P extends string> = [Names<P>] extends [never] ? [] : [values: Values<P>]

/** Writes values into a path. */
export function fill<P extends string>(path: P, ...[values]: Given<P>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: Names<P>) => encodeURIComponent(values![name]))
}

interface Options<B> {
  query?: Query
  body?: B
  long?: boolean
  signal?: AbortSignal
}

/** A file that is made when it is asked for, and its name. */
export async function file<P extends PathOf<'post'>>(
  path: P,
  ...values: Given<P>
): Promise<{ name: string; content: Blob }> {
  let answer: Response
  let content: Blob
  try {
    const options = { method: 'POST', headers: headers(), credentials: 'same-origin' } as const
    answer = await fetch(fill(path, ...values), options)
    content = await answer.blob()
  } catch {
    throw new ApiError(hooks.unreachable(), 0)
  }
  if (answer.status === 401) hooks.signedOut()
  if (!answer.ok) readAnswer(answer.status, await content.text())
  const name = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get('Content-Disposition') ?? '')?.[1] ?? 'file'
  return { name: decodeURIComponent(name.replaceAll('+', ' ')), content }
}

async function send<T>(method: Method, path: string, options: Options<unknown>): Promise<Answer<T>> {
  const more: Record<string, string> = {}
  if (options.body !== undefined) more['Content-Type'] = 'application/json'
  // Work longer than a request becomes an operation, whose progress comes by events.
  if (options.long) more.Prefer = 'respond-async'
  let answer: Response
  let text: string
  try {
    answer = await fetch(buildUrl(path, options.query), {
      method: method.toUpperCase(),
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
  try {
    return readAnswer<T>(answer.status, text)
  } catch (error) {
    if ((error as ApiError).key === 'second-factor-required') hooks.factorRequired()
    throw error
  }
}

export function call<M extends Method, P extends PathOf<M>>(
  method: M,
  path: P,
  options: Options<Body<P, M>> = {},
  ...values: Given<P>
): Promise<Answer<Data<P, M>>> {
  return send(method, fill(path, ...values), options)
}

export async function get<P extends PathOf<'get'>>(path: P, query: Query = {}, ...values: Given<P>): Promise<Data<P>> {
  return (await call('get', path, { query }, ...values)).data
}

/** The one row of a list that has this uuid; an error of status 404 when there is none. */
export async function getOne<P extends PathOf<'get'>>(path: P, uuid: string, ...values: Given<P>): Promise<Row<P>> {
  const query = { searchtype: 'single', uuid }
  const { data } = await send<Row<P> | null>('get', fill(path, ...values), { query })
  if (data === null) throw new ApiError(hooks.missing(), 404)
  return data
}

/** How work went that goes on after its answer, or that was done for several things. */
export type Outcome = components['schemas']['BatchOutcome']
/** What a command answers. */
export type Command = Promise<Answer<unknown>>

/** The part of an answer that tells of an operation or a batch. */
export const outcomeOf = (data: unknown): Outcome => (typeof data === 'object' && data ? data : {})

type Commanding<M extends Method> = <P extends PathOf<M>>(path: P, body: Body<P, M>, ...values: Given<P>) => Command
const commanding =
  <M extends Method>(method: M): Commanding<M> =>
  (path, body, ...values) =>
    call(method, path, { body, long: true }, ...values)

export const post = commanding('post')
export const put = commanding('put')
export const remove = commanding('delete')

export const action = <P extends PathOf<'post'>, A extends ActionOf<P>>(
  path: P,
  name: A,
  param: Param<P, A>,
  ...values: Given<P>
): Promise<Answer<Data<P, 'post'>>> =>
  send('post', fill(path, ...values), { body: { action: name, param }, long: true })

type Having<T, K extends string> = T extends Record<string, never> ? never : Extract<T, { [key in K]: unknown }>

/** The answer of the one among a path's actions that gives this field. */
export async function withField<T, K extends string>(
  command: Promise<Answer<T>>,
  field: K,
): Promise<Answer<Having<T, K>>> {
  const { data, msg } = await command
  if (typeof data !== 'object' || !data || !(field in data)) throw new ApiError(hooks.unreachable(), 0)
  return { data: data as Having<T, K>, msg }
}
