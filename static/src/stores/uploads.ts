import { defineStore } from 'pinia'
import { computed, markRaw, ref, watch } from 'vue'
import { ApiError, buildUrl, headers, outcomeOf, readAnswer } from '@/api/http'
import { images, isos, type ImageInput, type IsoInput } from '@/api/resources'
import { operations as api } from '@/api/system'
import { i18n } from '@/i18n'
import { paced, type Pace } from '@/lib/pace'
import { isOpen, useOperations } from './operations'

/** What a file is to become. */
export type Becoming =
  { kind: 'image'; pool: string; input: ImageInput } | { kind: 'iso'; input: IsoInput & { name: string } }

export type Upload = Becoming & {
  id: number
  file: File
  sent: number
  pace?: Pace
  /** `checking`: every byte is over, the server reads the image. */
  state: 'sending' | 'checking' | 'done' | 'failed' | 'cancelled'
  /** The operation that checks what arrived. */
  operation?: string
  error?: ApiError
}

/** Uploads outlive the page that began them; the file stays at hand for another try. */
export const useUploads = defineStore('uploads', () => {
  const all = ref<Upload[]>([])
  const operations = useOperations()
  const requests = new Map<number, XMLHttpRequest>()
  let last = 0

  const open = computed(() => all.value.filter(({ state }) => state === 'sending' || state === 'checking'))

  function start(becoming: Becoming, file: File): void {
    last += 1
    all.value.unshift({ ...becoming, id: last, file: markRaw(file), sent: 0, state: 'sending' })
    send(last)
  }

  function send(id: number): void {
    const upload = all.value.find((one) => one.id === id)
    if (!upload) return
    upload.sent = 0
    upload.pace = undefined
    upload.state = 'sending'
    upload.error = undefined
    upload.operation = undefined
    const request = new XMLHttpRequest()
    requests.set(id, request)
    const url = upload.kind === 'iso' ? isos.uploadUrl() : images.uploadUrl(upload.pool)
    request.open('POST', buildUrl(url, { ...upload.input }))
    const more = headers({ Prefer: 'respond-async' })
    for (const name of Object.keys(more)) request.setRequestHeader(name, more[name]!)
    request.upload.onprogress = (event) => {
      upload.sent = event.total ? event.loaded / event.total : 0
      upload.pace = paced(upload.pace, Date.now(), event.loaded)
    }
    request.upload.onload = () => {
      upload.state = 'checking'
    }
    request.onload = () => {
      try {
        requests.delete(id)
        upload.operation = outcomeOf(readAnswer(request.status, request.responseText).data).operation_uuid ?? undefined
        if (upload.operation) settle()
        else upload.state = 'done'
      } catch (error) {
        fail(upload, error as ApiError)
      }
    }
    request.onerror = () => fail(upload, new ApiError(i18n.global.t('upload.broken'), 0))
    request.onabort = () => {
      upload.state = 'cancelled'
      requests.delete(id)
    }
    const form = new FormData()
    form.append('file', upload.file)
    request.send(form)
  }

  function fail(upload: Upload, error: ApiError): void {
    upload.state = 'failed'
    upload.error = error
    requests.delete(upload.id)
  }

  /** A file that arrived is an image or ISO only when its check has ended well. */
  function settle(): void {
    for (const upload of all.value) {
      if (upload.state !== 'checking' || !upload.operation) continue
      const check = operations.all.find(({ uuid }) => uuid === upload.operation)
      if (!check || isOpen(check)) continue
      if (check.state === 'succeeded') upload.state = 'done'
      else if (check.state === 'cancelled') upload.state = 'cancelled'
      else fail(upload, new ApiError(check.error ?? i18n.global.t('state.failed'), 0))
    }
  }

  watch(() => operations.all, settle, { deep: true })

  /** Before the last byte the upload breaks off; after it, its check is asked to stop. */
  async function cancel(id: number): Promise<void> {
    const check = all.value.find((upload) => upload.id === id)?.operation
    if (!check) requests.get(id)?.abort()
    else await api.cancel(check)
  }

  function dismiss(id: number): void {
    all.value = all.value.filter((upload) => upload.id !== id)
  }

  return { all, open, start, retry: send, cancel, dismiss }
})
