/** What QEMU mixes by itself: asked for the same, it converts nothing. */
export const FREQUENCY = 44_100

/** Samples of both channels in turn, of bytes with the small end first; aligned and of its own. */
export function samples(bytes: Uint8Array): Int16Array<ArrayBuffer> {
  const count = Math.floor(bytes.length / 4) * 2
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const read = new Int16Array(count)
  for (let index = 0; index < count; index += 1) read[index] = view.getInt16(2 * index, true)
  return read
}

/** Whether there is more than silence in it. */
export const isHeard = (sound: Int16Array) => sound.some((sample) => sample !== 0)
