declare module '@novnc/novnc' {
  export default class RFB extends EventTarget {
    constructor(target: HTMLElement, url: string, options?: { shared?: boolean })
    scaleViewport: boolean
    resizeSession: boolean
    background: string
    focusOnClick: boolean
    disconnect(): void
    /** `down` left out: pressed and let go. */
    sendKey(keysym: number, code: string, down?: boolean): void
    blur(): void
    focus(): void
    clipboardPasteFrom(text: string): void
    static messages: {
      clientEncodings: (socket: Websock, encodings: number[]) => void
      clientCutText: (socket: Websock, data: Uint8Array, isExtended: boolean) => void
      extendedClipboardProvide: (socket: Websock, formats: number[], texts: string[]) => void
    }
    // What noVNC keeps to itself, for an extension of the protocol (`pages/console/vnc`).
    protected _sock: Websock
    protected _FBU: { rects: number; encoding: number | null }
    protected _sendEncodings(): void
    /** These give `false` when they wait for more. */
    protected _handleServerCutText(): boolean
    protected _clipboardServerCapabilitiesActions: Record<number, boolean>
    protected _normalMsg(): boolean
    protected _handleRect(): boolean
    protected _fail(why: string): void
  }

  /** What came and is not read yet, and what is to be sent. */
  interface Websock {
    rQlen(): number
    rQpeek8(): number
    rQpeekBytes(count: number): Uint8Array
    rQshiftBytes(count: number): Uint8Array
    rQskipBytes(count: number): void
    /** `true` while there are fewer bytes than that. */
    rQwait(what: string, count: number): boolean
    sQpush8(byte: number): void
    flush(): void
  }
}

declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  export default function SwaggerUI(options: Record<string, unknown>): unknown
}
