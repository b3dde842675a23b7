import { expect, test } from 'vitest'
import { isHeard, samples } from './pcm'
import { AHEAD, LATE, Ring } from './ring'

/** Frames whose left channel counts on, and whose right is its opposite. */
function frames(from: number, count: number): Int16Array {
  return Int16Array.from({ length: 2 * count }, (_, index) => (index % 2 ? -1 : 1) * (from + Math.floor(index / 2)))
}

function pull(ring: Ring, count: number): number[][] {
  const [left, right] = [new Float32Array(count), new Float32Array(count)]
  ring.pull(left, right)
  return [left, right].map((channel) => [...channel].map((sample) => Math.round(sample * 32_768)))
}

const silence = (count: number) => [Array(count).fill(0), Array(count).fill(0)]

test('bytes are signed samples with the small end first, of whole frames', () => {
  const bytes = Uint8Array.of(9, 0x34, 0x12, 0xff, 0xff, 0x00, 0x80, 0x01, 0x00, 7, 7)
  expect([...samples(bytes.subarray(1))]).toEqual([0x1234, -1, -32_768, 1])
  expect(samples(Uint8Array.of(1, 2, 3)).length).toBe(0)
  expect(isHeard(samples(new Uint8Array(400)))).toBe(false)
  expect(isHeard(Int16Array.of(0, 0, 0, -1))).toBe(true)
})

test('nothing is played before there is enough ahead, and then everything in its order', () => {
  const ring = new Ring()
  ring.push(frames(1, AHEAD - 1))
  expect(pull(ring, 128)).toEqual(silence(128))
  ring.push(frames(AHEAD, 1))
  expect(pull(ring, 3)).toEqual([
    [1, 2, 3],
    [-1, -2, -3],
  ])
  expect(pull(ring, 1)).toEqual([[4], [-4]])
})

test('where the net was too slow there is silence, until there is enough ahead again', () => {
  const ring = new Ring()
  ring.push(frames(1, AHEAD))
  pull(ring, AHEAD - 2)
  expect(pull(ring, 4)[0]).toEqual([AHEAD - 1, AHEAD, 0, 0])
  ring.push(frames(1, 100))
  expect(pull(ring, 4)).toEqual(silence(4))
  ring.push(frames(101, AHEAD))
  expect(pull(ring, 2)[0]).toEqual([1, 2])
})

test('sound that is late is left out, so that it fits the picture again', () => {
  const ring = new Ring()
  ring.push(frames(1, LATE))
  expect(ring.waiting).toBe(LATE)
  ring.push(frames(LATE + 1, 100))
  expect(ring.waiting).toBe(AHEAD)
  expect(pull(ring, 1)[0]).toEqual([LATE + 100 - AHEAD + 1])
})

test('it goes round, and takes no more at once than it holds', () => {
  const ring = new Ring()
  for (let from = 1; from < 30_000; from += 1000) {
    ring.push(frames(from % 20_000, 1000))
    if (from > AHEAD) pull(ring, 1000)
  }
  ring.push(frames(1, 30_000))
  ring.push(new Int16Array(2 * 200_000).fill(5))
  expect(ring.waiting).toBe(AHEAD)
  expect(pull(ring, 2)).toEqual([
    [5, 5],
    [5, 5],
  ])
})
