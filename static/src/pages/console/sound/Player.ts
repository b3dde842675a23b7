import { FREQUENCY } from './pcm'
import worklet from './worklet.ts?worker&url'

/** Plays samples that come as they come. */
export class Player {
  private readonly context = new AudioContext({ sampleRate: FREQUENCY, latencyHint: 'interactive' })
  private readonly gain = new GainNode(this.context)
  private node?: AudioWorkletNode

  /** Ready to play. Browsers let a page be heard only after somebody has clicked or typed in it. */
  async start(): Promise<void> {
    await this.context.audioWorklet.addModule(worklet)
    const options = { numberOfInputs: 0, outputChannelCount: [2] }
    this.node = new AudioWorkletNode(this.context, 'guest-sound', options)
    this.node.connect(this.gain).connect(this.context.destination)
  }

  set volume(volume: number) {
    // A curve: loudness is heard by its ratio, not by its difference.
    this.gain.gain.setTargetAtTime(volume ** 2, this.context.currentTime, 0.02)
  }

  /** Samples of both channels in turn; they are handed over. */
  play(samples: Int16Array<ArrayBuffer>): void {
    this.node?.port.postMessage(samples, [samples.buffer])
  }

  /** Nothing is to be heard for now: the device rests. */
  rest(): void {
    void this.context.suspend()
  }

  /** Does nothing before somebody touched the page, and is asked for again then. */
  wake(): void {
    void this.context.resume()
  }

  close(): void {
    void this.context.close()
  }
}
