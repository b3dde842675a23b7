import dayjs from 'dayjs'
import { afterEach, expect, test } from 'vitest'
import { isPast, moment } from './format'
import { fromServer, setServerZone, toServer } from './serverTime'

const ZONES = ['Asia/Shanghai', 'America/Los_Angeles', 'UTC', '+08:00', '-03:30']
const form = (time: dayjs.Dayjs) => time.format('YYYY-MM-DD HH:mm:ss')

afterEach(() => setServerZone(dayjs.tz.guess()))

test('a time of the server is read in its zone', () => {
  setServerZone('Asia/Shanghai')
  expect(fromServer('2026-11-28 09:54:09').valueOf()).toBe(Date.UTC(2026, 10, 28, 1, 54, 9))
  setServerZone('America/Los_Angeles')
  expect(fromServer('2026-07-01 00:00:00').valueOf()).toBe(Date.UTC(2026, 6, 1, 7))
  expect(fromServer('2026-12-01 00:00:00').valueOf()).toBe(Date.UTC(2026, 11, 1, 8))
  setServerZone('-03:30')
  expect(fromServer('2026-12-01 00:00:00').valueOf()).toBe(Date.UTC(2026, 11, 1, 3, 30))
})

test.each(ZONES)('what is six hours ahead is not over, whatever zone the server is in: %s', (zone) => {
  setServerZone(zone)
  expect(isPast(toServer(dayjs().add(6, 'hour')))).toBe(false)
  expect(isPast(toServer(dayjs().subtract(1, 'minute')))).toBe(true)
  expect(isPast('')).toBe(false)
})

test.each(ZONES)('it is shown as the clock of who looks shows it: %s', (zone) => {
  setServerZone(zone)
  const now = dayjs().millisecond(0)
  expect(moment(toServer(now))).toBe(form(now))
  expect(toServer(form(now))).toBe(toServer(now))
  expect(moment('soon')).toBe('soon')
})

test('a zone that the browser does not know changes nothing', () => {
  setServerZone('Asia/Shanghai')
  setServerZone('Mars/Olympus')
  expect(fromServer('2026-11-28 08:00:00').valueOf()).toBe(Date.UTC(2026, 10, 28))
})
