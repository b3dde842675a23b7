/**
 * QEMU's extension of RFB for sound:
 * <https://github.com/rfbproto/rfbproto/blob/master/rfbproto.rst#qemu-audio-server-message>.
 */
export const AUDIO_ENCODING = -259
/** What each message of QEMU begins with. */
export const QEMU = 255
const AUDIO = 1
const CLIENT = { enable: 0, disable: 1, format: 2 }
const SERVER = { end: 0, begin: 1, data: 2 }
/** Signed, 16 bits, two channels. */
const S16 = 3
const CHANNELS = 2
/** The longest head of a message. */
export const HEAD = 8
/** Bytes. Nobody who is honest sends more at once. */
const MOST = 1 << 22

/** What is sent to hear, at so many frames a second. */
export function hear(frequency: number): number[] {
  const bytes = [24, 16, 8, 0].map((shift) => (frequency >>> shift) & 255)
  return [QEMU, AUDIO, 0, CLIENT.format, S16, CHANNELS, ...bytes, QEMU, AUDIO, 0, CLIENT.enable]
}

/** What is sent to hear no more. */
export const unhear = [QEMU, AUDIO, 0, CLIENT.disable]

/**
 * The bytes of a message's head and those of sound that follow it, from what has come of it; `undefined` when that is not
 * enough to tell, and `null` of a message that no client knows.
 */
export function readHead(bytes: Uint8Array): { head: number; sound: number } | undefined | null {
  if (bytes.length < 4) return undefined
  const operation = (bytes[2]! << 8) | bytes[3]!
  if (bytes[1] !== AUDIO || !Object.values(SERVER).includes(operation)) return null
  if (operation !== SERVER.data) return { head: 4, sound: 0 }
  if (bytes.length < HEAD) return undefined
  const sound = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4)
  return sound > MOST ? null : { head: HEAD, sound }
}
