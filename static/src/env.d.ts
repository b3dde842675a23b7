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
  }
}

declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  export default function SwaggerUI(options: Record<string, unknown>): unknown
}
