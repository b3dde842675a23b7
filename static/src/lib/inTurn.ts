/**
 * One reading at a time: what is asked for during another is read once more after it, so that an older answer never
 * replaces a newer one. The promise ends when nothing is left to read.
 */
export function inTurn(read: () => Promise<unknown>): () => Promise<void> {
  let running: Promise<void> | undefined
  let again = false

  async function readAll(): Promise<void> {
    do {
      again = false
      await read()
    } while (again)
  }

  return () => {
    again = true
    running ??= readAll().finally(() => (running = undefined))
    return running
  }
}
