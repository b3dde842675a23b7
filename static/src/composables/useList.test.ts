import { beforeEach, describe, expect, test, vi } from 'vitest'
import { effectScope, nextTick } from 'vue'
import type { Query } from '@/api/http'
import { renewed } from '@/lib/selection'
import { useList } from './useList'

vi.mock('@/stores/live', () => ({ onChange: () => {} }))

interface Row {
  uuid: string
  power: string
}

const row = (uuid: string, power = 'off'): Row => ({ uuid, power })
const names = (rows: Row[]) => rows.map(({ uuid }) => uuid).join('')

describe('what is selected', () => {
  let there: Row[]
  let held: Promise<void> | undefined
  const fetch = vi.fn(async ({ page, page_size: size }: Query) => {
    const [from, many] = [(Number(page) - 1) * Number(size), Number(size)]
    const results = there.slice(from, from + many)
    const count = there.length
    await held
    return { results, count }
  })

  async function open() {
    const list = effectScope().run(() => useList<Row>(fetch as never, { topics: [], inside: true }))!
    await vi.waitFor(() => expect(list.loaded).toBe(true))
    list.pageSize = 2
    await vi.waitFor(() => expect(list.rows.length).toBe(2))
    fetch.mockClear()
    return list
  }

  beforeEach(() => {
    held = undefined
    there = [row('a'), row('b'), row('c'), row('d')]
  })

  test('is read anew where it is not shown', async () => {
    const list = await open()
    await list.selectAll()
    there = [row('a'), row('b'), row('d', 'on')]
    expect(await list.current()).toEqual(there)
    list.selected = list.rows.slice()
    fetch.mockClear()
    expect(names((await list.current())!)).toBe('ab')
    expect(fetch).not.toHaveBeenCalled()
  })

  test('stays when it only moved to another page', async () => {
    const list = await open()
    list.selected = [list.rows[1]!]
    there = [row('new'), row('a'), row('b'), row('c')]
    await list.refresh()
    expect(names(list.selected)).toBe('b')
    there = [row('new'), row('a'), row('c')]
    expect(names((await list.current())!)).toBe('')
  })

  test('goes when it is gone', async () => {
    const list = await open()
    list.selected = [list.rows[0]!]
    there = there.slice(1)
    await list.refresh()
    expect(list.selected).toEqual([])
  })

  test('is nothing that was looked for before', async () => {
    const list = await open()
    let go = () => {}
    held = new Promise((resolve) => (go = resolve))
    const selecting = list.selectAll()
    list.search = 'x'
    await nextTick()
    go()
    await selecting
    expect(list.selected).toEqual([])
  })
})

test('rows that were not read stay as they were', () => {
  const key = ({ uuid }: Row) => uuid
  expect(renewed([row('a'), row('b')], [row('a', 'on')], key, false)).toEqual([row('a', 'on'), row('b')])
  expect(renewed([row('a'), row('b')], [row('a', 'on')], key, true)).toEqual([row('a', 'on')])
})
