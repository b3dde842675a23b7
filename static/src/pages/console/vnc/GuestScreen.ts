import RFB from '@novnc/novnc'
import { FREQUENCY } from '../sound/pcm'
import { AUDIO_ENCODING, HEAD, QEMU, hear, readHead, unhear } from './audio'
import { CAN_PASTE, provided } from './clipboard'

RFB.messages.extendedClipboardProvide = (socket, _, [text]) => {
  void provided(text!).then((message) => RFB.messages.clientCutText(socket, message, true))
}

/** noVNC's client, which also takes the sound of a QEMU guest. */
export default class GuestScreen extends RFB {
  /** What the guest plays, as bytes of its format. */
  onsound?: (pcm: Uint8Array) => void
  /** The server has said that it knows sound. */
  oncansound?: () => void
  private canSound = false
  private canPaste = false
  private listens = false

  /** Whether what the guest plays is sent here. */
  listen(on: boolean): void {
    if (!this.canSound || on === this.listens) return
    this.listens = on
    for (const byte of on ? hear(FREQUENCY) : unhear) this._sock.sQpush8(byte)
    this._sock.flush()
  }

  /** The server tells a moment after the connection what it can do with texts; before that it is sent no letters of most languages. */
  override _handleServerCutText(): boolean {
    const isWhole = super._handleServerCutText()
    if (!this.canPaste && Object.keys(this._clipboardServerCapabilitiesActions).length > 0) {
      this.canPaste = true
      this.dispatchEvent(new Event(CAN_PASTE))
    }
    return isWhole
  }

  /** noVNC sends one list of all that it knows. */
  override _sendEncodings(): void {
    const messages = RFB.messages
    const send = messages.clientEncodings
    messages.clientEncodings = (socket, encodings) => send(socket, [...encodings, AUDIO_ENCODING])
    try {
      super._sendEncodings()
    } finally {
      messages.clientEncodings = send
    }
  }

  /** The rectangle by which the server says that it knows an extension is empty, whatever its size. */
  override _handleRect(): boolean {
    if (this._FBU.encoding !== AUDIO_ENCODING) return super._handleRect()
    if (!this.canSound) {
      this.canSound = true
      this.oncansound?.()
    }
    return true
  }

  override _normalMsg(): boolean {
    const begins = this._FBU.rects === 0
    return begins && this._sock.rQpeek8() === QEMU ? this.handleQemu() : super._normalMsg()
  }

  /** `false`: not all of it is here yet, and it is read again when more is. */
  private handleQemu(): boolean {
    const message = readHead(this._sock.rQpeekBytes(Math.min(HEAD, this._sock.rQlen())))
    if (message === null) {
      this._fail('Unexpected message of QEMU')
      return true
    }
    if (!message || this._sock.rQwait('sound', message.head + message.sound)) return false
    this._sock.rQskipBytes(message.head)
    const pcm = this._sock.rQshiftBytes(message.sound)
    // What was on its way when it was switched off is not heard.
    if (this.listens && pcm.length) this.onsound?.(pcm)
    return true
  }
}
