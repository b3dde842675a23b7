import { expect, test } from 'vitest'
import { hear, readHead, unhear } from './audio'

test('the format is said before what is wanted', () => {
  expect(hear(44_100)).toEqual([255, 1, 0, 2, 3, 2, 0, 0, 0xac, 0x44, 255, 1, 0, 0])
  expect(unhear).toEqual([255, 1, 0, 1])
})

test('a message is read as soon as its head has come', () => {
  const data = Uint8Array.of(255, 1, 0, 2, 0, 1, 0, 4)
  for (let count = 0; count < data.length; count += 1) expect(readHead(data.subarray(0, count))).toBeUndefined()
  expect(readHead(data)).toEqual({ head: 8, sound: 65_540 })
  expect(readHead(Uint8Array.of(255, 1, 0, 1))).toEqual({ head: 4, sound: 0 })
  expect(readHead(Uint8Array.of(255, 1, 0, 0, 255, 1, 0, 2))).toEqual({ head: 4, sound: 0 })
})

test('what no client knows, and sound of gigabytes, is refused', () => {
  for (const strange of [
    [255, 0, 0, 1],
    [255, 1, 0, 3],
    [255, 1, 1, 0],
    [255, 1, 0, 2, 0x80, 0, 0, 0],
  ]) {
    expect(readHead(Uint8Array.from(strange))).toBeNull()
  }
})
