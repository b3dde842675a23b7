/** Event of a screen: comes once a connection, when texts in all languages can be sent. */
export const CAN_PASTE = 'canpaste'

/** Flags of RFB's extended clipboard: a text is handed over. */
const PROVIDE_TEXT = [0x10, 0, 0, 1]

/**
 * A text for QEMU, which hands on what it gets to the guest as it is. What noVNC sends by the letter of the protocol, with
 * CR at the end of each line and a zero at the end of all, would be pasted so.
 */
export async function provided(text: string): Promise<Uint8Array> {
  const bytes = new TextEncoder().encode(text)
  const plain = new Uint8Array(4 + bytes.length)
  new DataView(plain.buffer).setUint32(0, bytes.length)
  plain.set(bytes, 4)
  const packed = new Blob([plain]).stream().pipeThrough(new CompressionStream('deflate'))
  const data = new Uint8Array(await new Response(packed).arrayBuffer())
  const message = new Uint8Array(PROVIDE_TEXT.length + data.length)
  message.set(PROVIDE_TEXT)
  message.set(data, PROVIDE_TEXT.length)
  return message
}
