import { expect, test } from 'vitest'
import { later, line, scaleOf, SPAN_MS } from './history'

test('what is older than the span goes, and a moment has one figure', () => {
  const old = [
    { at: 0, value: 1 },
    { at: SPAN_MS, value: 2 },
  ]
  expect(later(old, { at: SPAN_MS, value: 3 })).toEqual([{ at: SPAN_MS, value: 3 }])
  expect(later(old, { at: SPAN_MS + 1, value: 3 }).map(({ value }) => value)).toEqual([2, 3])
})

test('the present is at the right edge, the most at the top', () => {
  const points = [
    { at: 0, value: 0 },
    { at: SPAN_MS / 2, value: 50 },
    { at: SPAN_MS, value: 200 },
  ]
  expect(line(points, 100, SPAN_MS)).toBe('0.0,100.0 50.0,50.0 100.0,0.0')
})

test('a trickle does not fill the scale', () => {
  expect(scaleOf([225], 1_000_000)).toBe(1_000_000)
  expect(scaleOf([2_000_000, 30_000_000], 1_000_000)).toBe(100_000_000)
  expect(scaleOf([], 1_000_000)).toBe(1_000_000)
})
