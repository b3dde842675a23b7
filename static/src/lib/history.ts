/** A figure at a moment, in milliseconds. */
export interface Point {
  at: number
  value: number
}

/** So long is kept. */
export const SPAN_MS = 10 * 60_000

/** What is known with one figure more, without what is too old. */
export function later(points: Point[], point: Point): Point[] {
  return [...points.filter(({ at }) => at > point.at - SPAN_MS && at < point.at), point]
}

/** The figures as a line in a box of 100 by 100, the present at its right edge; `most` is its top. */
export function line(points: Point[], most: number, now: number): string {
  return points
    .map(({ at, value }) => {
      const x = 100 - (100 * (now - at)) / SPAN_MS
      const y = 100 - 100 * Math.min(1, Math.max(0, value / most))
      return `${x.toFixed(1)},${y.toFixed(1)}`
    })
    .join(' ')
}

/** The end of a scale for these figures, a round one: never so near that a trickle looks like a flood. */
export function scaleOf(values: number[], least: number): number {
  let top = least
  while (top < Math.max(0, ...values)) top *= 10
  return top
}
