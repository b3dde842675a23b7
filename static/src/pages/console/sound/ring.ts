/** Frames that wait before the first is played: what comes a little late then makes no gap. */
export const AHEAD = 2646
/** Frames after which sound is so late that it no longer fits the picture. */
export const LATE = 13_230
/** More than this is never kept. */
const CAPACITY = 1 << 16

/** Stereo samples between a network that sends when it likes and a sound card that takes them all the time. */
export class Ring {
  private readonly kept = new Float32Array(2 * CAPACITY)
  private first = 0
  private count = 0
  private plays = false

  /** Frames that wait. */
  get waiting(): number {
    return this.count
  }

  /** Samples of both channels in turn. When too many wait, the oldest go, down to as many as are wanted ahead. */
  push(samples: Int16Array): void {
    const frames = Math.min(samples.length / 2, CAPACITY)
    this.skip(Math.max(0, this.count + frames - CAPACITY))
    const from = samples.length - 2 * frames
    for (let index = 0; index < frames; index += 1) {
      const place = 2 * ((this.first + this.count + index) % CAPACITY)
      this.kept[place] = samples[from + 2 * index]! / 32_768
      this.kept[place + 1] = samples[from + 2 * index + 1]! / 32_768
    }
    this.count += frames
    if (this.count > LATE) this.skip(this.count - AHEAD)
    if (this.count >= AHEAD) this.plays = true
  }

  /** Fills both channels, with silence where there is nothing. */
  pull(left: Float32Array, right: Float32Array): void {
    const frames = this.plays ? Math.min(left.length, this.count) : 0
    for (let index = 0; index < frames; index += 1) {
      const place = 2 * ((this.first + index) % CAPACITY)
      left[index] = this.kept[place]!
      right[index] = this.kept[place + 1]!
    }
    left.fill(0, frames)
    right.fill(0, frames)
    this.skip(frames)
    if (frames < left.length) this.plays = false
  }

  private skip(frames: number): void {
    this.first = (this.first + frames) % CAPACITY
    this.count -= frames
  }
}
