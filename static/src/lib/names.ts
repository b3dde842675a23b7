/** The names that a group's desktops get: prefix and a number of `digits` places, counted from `start`. */
export function desktopNames(prefix: string, digits: number, start: number, count: number): string[] {
  return Array.from({ length: Math.max(0, count) }, (_, index) => prefix + String(start + index).padStart(digits, '0'))
}

/** First names and the last one, as a preview. */
export function preview(names: string[], shown = 3): string {
  if (names.length <= shown + 1) return names.join(', ')
  return `${names.slice(0, shown).join(', ')} … ${names.at(-1)}`
}

/** A name that is not taken yet: `base`, `base-2`, `base-3` … */
export function freeName(base: string, taken: string[]): string {
  const used = new Set(taken)
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`
    if (!used.has(name)) return name
  }
}
