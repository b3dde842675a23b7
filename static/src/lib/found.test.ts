import { expect, test } from 'vitest'
import type { Found } from '@/api/types'
import { linesOf } from './found'

const hit = { uuid: 'a', name: 'one', about: [] }

test('what was found leads to its page, else to the list that shows it alone', () => {
  const place = (kind: Found['kind']) => linesOf({ kind, count: 1, hits: [hit] }, 'on').map((line) => line.place)
  expect(place('desktop')).toEqual([{ name: 'desktop', params: { uuid: 'a' } }])
  expect(place('desktop-group')).toEqual([{ name: 'desktops', params: { uuid: 'a' } }])
  expect(place('user')).toEqual([{ name: 'users', query: { search: 'one' } }])
})

test('more than is shown is on the list', () => {
  const lines = linesOf({ kind: 'desktop', count: 70, hits: [hit] }, 'on')
  expect(lines.at(-1)).toEqual({ id: 'desktop-all', place: { name: 'all-desktops', query: { search: 'on' } } })
})
