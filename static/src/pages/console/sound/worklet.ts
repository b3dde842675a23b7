import { Ring } from './ring'

/** Runs where the browser makes its sound; TypeScript's library does not know that place. */
declare class AudioWorkletProcessor {
  readonly port: MessagePort
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void

class Player extends AudioWorkletProcessor {
  private readonly ring = new Ring()

  constructor() {
    super()
    this.port.onmessage = ({ data }: MessageEvent<Int16Array>) => this.ring.push(data)
  }

  process(_: Float32Array[][], [output]: Float32Array[][]): boolean {
    const [left, right] = output!
    this.ring.pull(left!, right!)
    return true
  }
}

registerProcessor('guest-sound', Player)
