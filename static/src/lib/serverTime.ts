import dayjs, { type Dayjs } from 'dayjs'
import timezone from 'dayjs/plugin/timezone'
import utc from 'dayjs/plugin/utc'

dayjs.extend(utc)
dayjs.extend(timezone)

/** The form of times in the documents: it says no zone, they are the server's. */
const FORM = 'YYYY-MM-DD HH:mm:ss'
let zone = dayjs.tz.guess()

const isOffset = (): boolean => /^[+-]/.test(zone)

/** The server's zone: a name, or an offset such as `+08:00`. One that the browser does not know changes nothing. */
export function setServerZone(name: string): void {
  try {
    if (!/^[+-]/.test(name)) Intl.DateTimeFormat('en', { timeZone: name }).format()
    zone = name
  } catch {
    console.warn(`unknown time zone: ${name}`)
  }
}

/** A time of the server, as the browser's own. */
export function fromServer(text: string): Dayjs {
  if (/(z|[+-]\d\d:?\d\d)$/i.test(text)) return dayjs(text)
  if (isOffset()) return dayjs(`${text.replace(' ', 'T')}${zone}`)
  // What is no time must not be made one.
  return dayjs(text).isValid() ? dayjs(dayjs.tz(text, zone).valueOf()) : dayjs(text)
}

/** A time of the browser as the server reads it; as text it is the browser's, in the same form. */
export function toServer(time: Dayjs | string): string {
  const own = dayjs(time)
  return (isOffset() ? own.utcOffset(zone) : own.tz(zone)).format(FORM)
}
