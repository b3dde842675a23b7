/** What is selected, as rows that were read since tell it. What is not among them is gone only if they are all there are. */
export function renewed<T>(selected: T[], fresh: T[], key: (row: T) => unknown, areAll: boolean): T[] {
  const known = new Map(fresh.map((row) => [key(row), row]))
  return selected.filter((row) => !areAll || known.has(key(row))).map((row) => known.get(key(row)) ?? row)
}
