import { expect, test } from 'vitest'
import { COMBINATIONS, strokeOf, typed, unwritable } from './typing'

test('every printable character of ASCII has its key', () => {
  const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('')
  expect(unwritable(printable)).toEqual([])
  expect(strokeOf('a')).toEqual({ keysym: 0x61, code: 'KeyA', shift: false })
  expect(strokeOf('A')).toEqual({ keysym: 0x41, code: 'KeyA', shift: true })
  expect(strokeOf('?')).toEqual({ keysym: 0x3f, code: 'Slash', shift: true })
  expect(strokeOf('\n')).toEqual({ keysym: 0xff0d, code: 'Enter', shift: false })
})

test('what no key writes is named once', () => {
  expect(unwritable('naïve café 桌面\r\nnaïve')).toEqual(['ï', 'é', '桌', '面'])
})

test('what a touch keyboard did is found in its field', () => {
  expect(typed('___', '___ls')).toEqual({ back: 0, text: 'ls' })
  expect(typed('___ls', '___l')).toEqual({ back: 1, text: '' })
  expect(typed('___teh', '___the')).toEqual({ back: 2, text: 'he' })
})

test('a combination lets go of nothing that it did not press', () => {
  for (const keys of Object.values(COMBINATIONS)) expect(new Set(keys.map(([, code]) => code)).size).toBe(keys.length)
})
