import { inflateSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { provided } from './clipboard'

test('a text goes as it was written, with its length in bytes', async () => {
  const message = await provided('é\n你')
  expect([...message.subarray(0, 4)]).toEqual([0x10, 0, 0, 1])
  const plain = inflateSync(message.subarray(4))
  expect(plain.readUInt32BE(0)).toBe(6)
  expect(plain.subarray(4).toString('utf8')).toBe('é\n你')
})
