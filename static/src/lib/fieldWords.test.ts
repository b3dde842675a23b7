import { expect, test } from 'vitest'
import { propsOf, withLabel } from './fieldWords'

test('a sentence of the server names the field as the form does', () => {
  for (const [sentence, field, label, expected] of [
    ['The field key is no public ssh key.', 'key', 'Public key', '“Public key” is no public ssh key.'],
    ['The field name must not contain <.', 'name', 'Name', '“Name” must not contain <.'],
    ['Field ram must be at most 512 GB.', 'ram', 'Memory (GB)', '“Memory (GB)” must be at most 512 GB.'],
    ['The time in run_date is past.', 'run_date', 'Date and time', 'The time in “Date and time” is past.'],
    ['The text of the field desc cannot be read.', 'desc', 'Description', 'The text of “Description” cannot be read.'],
    ['字段 value.name 不能为空。', 'value.name', '名称', '“名称” 不能为空。'],
    ['缺少字段 start_ip。', 'start_ip', '终端开始 IP', '缺少“终端开始 IP”。'],
    // A word of the sentence that is spelt like a field stays.
    [
      'There is a pool named "a". Choose another name.',
      'name',
      'Name',
      'There is a pool named "a". Choose another name.',
    ],
    ['The field names are wrong.', 'name', 'Name', 'The field names are wrong.'],
  ] as const) {
    expect(withLabel(sentence, field, label)).toBe(expected)
  }
})

test('a form finds its own by the last word, or by the name it gives', () => {
  expect(propsOf('value.name')).toEqual(['value.name', 'name'])
  expect(propsOf('username', { username: 'name' })).toEqual(['name', 'username', 'username'])
})
