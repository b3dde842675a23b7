/** How fast something goes. */
export interface Pace {
  /** In milliseconds. */
  at: number
  done: number
  /** Of `done`, smoothed. */
  perSecond: number
}

/** So long it takes until what was is forgotten. */
const MEMORY_MS = 5000
/** Two reports of the same moment tell nothing. */
const LEAST_MS = 200

/** The pace with one report more. */
export function paced(before: Pace | undefined, at: number, done: number): Pace {
  if (!before || done < before.done) return { at, done, perSecond: 0 }
  const passed = at - before.at
  if (passed < LEAST_MS) return before
  const now = ((done - before.done) * 1000) / passed
  // The first report has nothing to be weighed against.
  const weight = before.perSecond ? 1 - Math.exp(-passed / MEMORY_MS) : 1
  return { at, done, perSecond: before.perSecond + weight * (now - before.perSecond) }
}

/** Seconds until all is done; nothing while that is not known. */
export function secondsLeft({ done, perSecond }: Pace, all: number): number | undefined {
  return perSecond > 0 ? Math.max(0, all - done) / perSecond : undefined
}
