import dayjs from 'dayjs'
import prettyBytes from 'pretty-bytes'
import type { OperationUnit } from '@/api/types'
import { fromServer } from './serverTime'

/** The server's and the documents' GB are of 1024 MB: one unit for all of the console. */
export const bytes = (value: number, locale: string): string =>
  prettyBytes(value, { binary: true, locale }).replace('iB', 'B')

export const rate = (value: number, locale: string): string => `${prettyBytes(value, { locale })}/s`

/** Gigabytes as people write them. */
export const gigabytes = (value: number): number => Math.round(value * 100) / 100

/** How much is done of what an operation counts; nothing where only the percentage means something. */
export function amount(done: number, total: number, unit: OperationUnit, locale: string): string {
  if (unit === 'none' || !total) return ''
  const text = (value: number) => (unit === 'bytes' ? bytes(value, locale) : String(value))
  return `${text(done)} / ${text(total)}`
}

/** A percentage that the server sends as text or number, between 0 and 100. */
export const percent = (value: string | number | null | undefined): number =>
  Math.min(100, Math.max(0, Math.round(Number(value ?? 0) * 10) / 10))

/** A time of the server as the browser's own, in the form that the whole console uses. */
export function moment(value: string | null | undefined): string {
  if (!value) return ''
  const time = fromServer(value)
  return time.isValid() ? time.format('YYYY-MM-DD HH:mm:ss') : value
}

/** As `moment`, where there is little room: without year and seconds. */
export const brief = (value: string | null | undefined): string => moment(value).slice(5, 16)

/** Seconds as hours and minutes, such as `3:07`. */
export function hours(seconds: number | string): string {
  const minutes = Math.floor(Number(seconds || 0) / 60)
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`
}

/** Time between two moments of the server, such as `0:07` or `1:02:03`. */
export const duration = (from: string, to: string): string =>
  clock(Math.max(0, fromServer(to).diff(fromServer(from), 'second')))

/** Seconds as a clock shows them, such as `0:07` or `1:02:03`. */
export function clock(all: number): string {
  const seconds = Math.ceil(all)
  const two = (value: number) => String(value).padStart(2, '0')
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** Whether the server's time is over. */
export const isPast = (value: string | null | undefined): boolean =>
  Boolean(value) && fromServer(value ?? '').isBefore(dayjs())
