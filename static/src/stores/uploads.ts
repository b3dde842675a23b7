import type { Upload as Sending } from 'tus-js-client'
import { defineStore } from 'pinia'
import { computed, markRaw, ref, watch } from 'vue'
import { ApiError } from '@/api/http'
import { operations as api } from '@/api/system'
import { discard, fingerprint, send as begin, unfinished } from '@/api/uploads'
import type { Operation } from '@/api/types'
import { i18n } from '@/i18n'
import { inTurn } from '@/lib/inTurn'
import { paced, type Pace } from '@/lib/pace'
import { isOpen, useOperations } from './operations'
import { useSession } from './session'

/** What a file is to become. */
export type Becoming =
  | { kind: 'image'; pool: string; input: { name: string; os_type: string; disk?: number } }
  | { kind: 'iso'; input: { name: string; os_type: string; iso_type: number } }

export type Upload = Becoming & {
  id: number
  /** Missing when its page was left: only who uploads can give it again. */
  file?: File
  fileName: string
  size: number
  /** A part of 1. */
  sent: number
  pace?: Pace
  /**
   * `waiting`: cut off, tried again by itself; `stopped`: its file has to be chosen again; `checking`: every byte is
   * over, the server reads the image.
   */
  state: 'sending' | 'waiting' | 'stopped' | 'checking' | 'done' | 'failed' | 'cancelled'
  /** On the server; also the image's to be. */
  uuid?: string
  /** By which its file is known again. */
  fingerprint: string
  /** When the server throws away what it has of it. */
  until?: string
  error?: ApiError
}

const OPEN = ['sending', 'waiting', 'checking']

/** Uploads outlive the page that began them, and what was cut off goes on. */
export const useUploads = defineStore('uploads', () => {
  const all = ref<Upload[]>([])
  const operations = useOperations()
  const session = useSession()
  const sendings = new Map<number, Sending>()
  let last = 0

  const open = computed(() => all.value.filter(({ state }) => OPEN.includes(state)))
  /** Those that go on as long as the page is open. */
  const going = computed(() => open.value.filter(({ state }) => state !== 'checking'))

  function start(becoming: Becoming, file: File): void {
    last += 1
    const about = { file: markRaw(file), fileName: file.name, size: file.size, fingerprint: fingerprint(file) }
    all.value.unshift({ ...becoming, ...about, id: last, sent: 0, state: 'sending' })
    void send(last)
  }

  async function send(id: number): Promise<void> {
    const upload = all.value.find((one) => one.id === id)
    if (!upload?.file) return
    Object.assign(upload, { pace: undefined, state: 'sending', error: undefined })
    try {
      const sending = await begin(upload.file, metadata(upload), upload.uuid, {
        begun: (uuid) => (upload.uuid = uuid),
        sent: (bytes) => {
          upload.state = 'sending'
          upload.sent = bytes / upload.size
          upload.pace = paced(upload.pace, Date.now(), bytes)
        },
        cut: () => Object.assign(upload, { state: 'waiting', pace: undefined }),
        arrived: () => void arrive(upload),
        failed: (error) => fail(upload, error),
      })
      if (isOver(upload)) await sending.abort()
      else sendings.set(id, sending)
    } catch {
      fail(upload, new ApiError(i18n.global.t('upload.broken'), 0))
    }
  }

  /** Asked anew: it may have been cancelled meanwhile. */
  const isOver = ({ state }: Upload): boolean => state === 'cancelled'

  async function arrive(upload: Upload): Promise<void> {
    sendings.delete(upload.id)
    upload.sent = 1
    upload.state = session.may('operations.view') ? 'checking' : 'done'
    settle()
    // Its check may have begun before it was known whose it is.
    if (upload.state === 'checking' && !checkOf(upload)) await operations.refresh().catch(() => {})
    settle()
  }

  function fail(upload: Upload, error: ApiError): void {
    upload.state = 'failed'
    upload.error = error
    sendings.delete(upload.id)
  }

  const checkOf = ({ uuid }: Upload): Operation | undefined =>
    operations.all.find(({ subject, kind }) => subject === uuid && kind.endsWith('-add'))

  /** A file that arrived is an image or ISO only when its check has ended well. */
  function settle(): void {
    for (const upload of all.value) {
      const check = upload.state === 'checking' && checkOf(upload)
      if (!check || isOpen(check)) continue
      if (check.state === 'succeeded' || check.state === 'partly') upload.state = 'done'
      else if (check.state === 'cancelled') upload.state = 'cancelled'
      else fail(upload, new ApiError(check.error ?? i18n.global.t('state.failed'), 0))
      // What was refused is not on the server any more: another try begins anew.
      upload.uuid = undefined
    }
  }

  watch(() => operations.all, settle)

  /** Shows what was begun before the page was left; in turn, since several places ask for it. */
  const recall = inTurn(async () => {
    const before = await unfinished()
    const known = new Set(all.value.map(({ uuid }) => uuid))
    // One that begins just now is not known by its name yet.
    const begins = (mark: string) => all.value.some((one) => !one.uuid && one.fingerprint === mark)
    for (const one of before) {
      if (known.has(one.uuid) || begins(one.fingerprint)) continue
      last += 1
      const { uuid, name, os_type, size } = one
      const input = { name, os_type }
      const becoming: Becoming =
        one.kind === 'iso'
          ? { kind: 'iso', input: { ...input, iso_type: one.iso_type ?? 3 } }
          : { kind: 'image', pool: one.pool ?? '', input }
      const about = { fileName: one.file_name, fingerprint: one.fingerprint, until: one.expires_at, uuid, size }
      all.value.push({ ...becoming, ...about, id: last, sent: one.received / size, state: 'stopped' })
    }
  })

  /** The stopped upload that this file is of. */
  const stoppedOf = (file: File): Upload | undefined =>
    all.value.find((one) => one.state === 'stopped' && one.size === file.size && isSame(one, file))
  /** Scripts tell no fingerprint. */
  const isSame = (one: Upload, file: File): boolean =>
    one.fingerprint ? one.fingerprint === fingerprint(file) : one.fileName === file.name

  /** Goes on with a stopped upload, by its file. */
  function resume(id: number, file: File): void {
    const upload = all.value.find((one) => one.id === id)
    if (!upload) return
    if (stoppedOf(file)?.id !== id) {
      upload.error = new ApiError(i18n.global.t('upload.otherFile', { file: upload.fileName }), 0)
      return
    }
    upload.file = markRaw(file)
    void send(id)
  }

  /** Before the last byte what has arrived is thrown away; after it, its check is asked to stop. */
  async function cancel(id: number): Promise<void> {
    const upload = all.value.find((one) => one.id === id)
    if (!upload) return
    const check = checkOf(upload)
    if (check) return void (await api.cancel(check.uuid))
    await sendings.get(id)?.abort()
    sendings.delete(id)
    upload.state = 'cancelled'
    if (upload.uuid) await discard(upload.uuid)
    upload.uuid = undefined
  }

  async function dismiss(id: number): Promise<void> {
    const upload = all.value.find((one) => one.id === id)
    if (upload?.uuid && upload.state !== 'done') await discard(upload.uuid)
    all.value = all.value.filter((one) => one.id !== id)
  }

  return { all, open, going, start, retry: send, recall, stoppedOf, resume, cancel, dismiss }
})

function metadata({ kind, input, ...rest }: Becoming): Record<string, string> {
  const texts = Object.entries(input).map(([key, value]) => [key, String(value)] as const)
  const more: Record<string, string> =
    kind === 'iso' ? { kind: 'iso' } : { kind: 'base_image', pool: (rest as { pool: string }).pool }
  return { ...Object.fromEntries(texts), ...more }
}
