import { defineStore } from 'pinia'
import { computed, markRaw, ref } from 'vue'
import { ApiError, buildUrl, headers, readAnswer } from '@/api/http'
import { images, type ImageInput } from '@/api/resources'
import { i18n } from '@/i18n'

export interface Upload {
  id: number
  pool: string
  input: ImageInput
  file: File
  sent: number
  /** `checking`: every byte is over, the server reads the image. */
  state: 'sending' | 'checking' | 'done' | 'failed' | 'cancelled'
  error?: ApiError
}

/** Uploads outlive the page that began them; the file stays at hand for another try. */
export const useUploads = defineStore('uploads', () => {
  const all = ref<Upload[]>([])
  const requests = new Map<number, XMLHttpRequest>()
  let last = 0

  const open = computed(() => all.value.filter(({ state }) => state === 'sending' || state === 'checking'))

  function start(pool: string, input: ImageInput, file: File): void {
    last += 1
    all.value.unshift({ id: last, pool, input, file: markRaw(file), sent: 0, state: 'sending' })
    send(last)
  }

  function send(id: number): void {
    const upload = all.value.find((one) => one.id === id)
    if (!upload) return
    upload.sent = 0
    upload.state = 'sending'
    upload.error = undefined
    const request = new XMLHttpRequest()
    requests.set(id, request)
    request.open('POST', buildUrl(images.uploadUrl(upload.pool), { ...upload.input }))
    const more = headers({ Prefer: 'respond-async' })
    for (const name of Object.keys(more)) request.setRequestHeader(name, more[name]!)
    request.upload.onprogress = (event) => {
      upload.sent = event.total ? event.loaded / event.total : 0
    }
    request.upload.onload = () => {
      upload.state = 'checking'
    }
    request.onload = () => {
      try {
        readAnswer(request.status, request.responseText)
        upload.state = 'done'
        requests.delete(id)
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

  function cancel(id: number): void {
    requests.get(id)?.abort()
  }

  function dismiss(id: number): void {
    all.value = all.value.filter((upload) => upload.id !== id)
  }

  return { all, open, start, retry: send, cancel, dismiss }
})
