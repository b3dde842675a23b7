import { beforeEach, expect, test, vi } from 'vitest'

const workers: FakeWorker[] = []
const sources: FakeSource[] = []

class FakeWorker {
  port = { postMessage: vi.fn(), onmessage: undefined as unknown as (said: { data: unknown }) => void }
  onerror = () => {}
  constructor() {
    workers.push(this)
  }
}

class FakeSource {
  static CLOSED = 2
  readyState = 1
  onopen = () => {}
  close = vi.fn()
  addEventListener = () => {}
  constructor(readonly url: string) {
    sources.push(this)
  }
}

async function load(protocol: string) {
  vi.stubGlobal('location', { protocol })
  return (await import('./feed')).feed
}

beforeEach(() => {
  vi.resetModules()
  workers.length = sources.length = 0
  vi.stubGlobal('SharedWorker', FakeWorker)
  vi.stubGlobal('EventSource', FakeSource)
  vi.stubGlobal('addEventListener', () => {})
  vi.stubGlobal('removeEventListener', () => {})
})

const asked = { language: 'en', user: 'a' }

test('over TLS the page listens itself', async () => {
  ;(await load('https:'))(asked, () => {})
  expect([workers.length, sources.length]).toEqual([0, 1])
})

test('where the browser refuses a worker the page listens itself', async () => {
  vi.stubGlobal('SharedWorker', function () {
    throw new Error('refused')
  })
  ;(await load('http:'))(asked, () => {})
  expect(sources.length).toBe(1)
})

test('a worker that gets no stream is given up for what is listened to by then', async () => {
  const feed = await load('http:')
  const [first, second] = [vi.fn(), vi.fn()]
  feed(asked, first)()
  const leave = feed({ language: 'zh-CN', user: 'a' }, second)
  const [{ port }] = workers as [FakeWorker]
  port.onmessage({ data: { state: 'broken' } })
  expect(port.postMessage).toHaveBeenLastCalledWith({ language: null })
  expect(sources[0]!.url).toContain('zh')
  sources[0]!.onopen()
  expect(second).toHaveBeenCalledWith({ state: 'open' })
  expect(first).not.toHaveBeenCalled()
  leave()
  expect(sources[0]!.close).toHaveBeenCalled()
})

test('a worker whose stream breaks off later is waited for', async () => {
  const hear = vi.fn()
  ;(await load('http:'))(asked, hear)
  const [{ port }] = workers as [FakeWorker]
  port.onmessage({ data: { state: 'open' } })
  port.onmessage({ data: { state: 'broken' } })
  expect(hear).toHaveBeenLastCalledWith({ state: 'broken' })
  expect(sources.length).toBe(0)
})

test('who is somebody else has a stream of their own', async () => {
  const feed = await load('https:')
  feed(asked, () => {})
  feed(asked, () => {})
  feed({ ...asked, user: 'b' }, () => {})
  expect(sources.length).toBe(2)
})
