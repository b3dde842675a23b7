import { expect, test } from 'vitest'
import { paced, secondsLeft } from './pace'

test('a steady pace tells the time that is left', () => {
  let pace = paced(undefined, 0, 0)
  expect(secondsLeft(pace, 1000)).toBeUndefined()
  for (let second = 1; second <= 4; second += 1) pace = paced(pace, second * 1000, second * 100)
  expect(pace.perSecond).toBeCloseTo(100)
  expect(secondsLeft(pace, 1000)).toBeCloseTo(6)
})

test('one slow moment does not turn it over', () => {
  let pace = paced(paced(undefined, 0, 0), 1000, 100)
  pace = paced(pace, 2000, 100)
  expect(pace.perSecond).toBeGreaterThan(70)
  expect(paced(pace, 2050, 500)).toBe(pace)
})

test('another try begins anew', () => {
  expect(paced({ at: 0, done: 900, perSecond: 50 }, 1000, 0)).toEqual({ at: 1000, done: 0, perSecond: 0 })
})
