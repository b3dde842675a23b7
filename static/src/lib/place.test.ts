import { expect, test } from 'vitest'
import type { Operation } from '@/api/types'
import { placeOf } from './place'

const of = (kind: string) => placeOf({ kind, subject: 'a', subject_name: 'one' } as Operation)

test.each(['start', 'stop', 'reboot', 'hard-stop', 'hard-reboot'])(
  'what is done with desktops leads to them: %s',
  (verb) => expect(of(`desktops-${verb}`)).toEqual({ name: 'desktops', params: { uuid: 'a' } }),
)

test('what is done with desktops of several groups leads to all desktops', () => {
  const subject = '00000000-0000-0000-0000-000000000000'
  expect(placeOf({ kind: 'desktops-stop', subject, subject_name: 'a, b' } as Operation)).toEqual({
    name: 'all-desktops',
  })
})

test('what is gone leads to the list', () => {
  expect(of('template-delete')).toEqual({ name: 'templates', query: {} })
  expect(of('template-create')).toEqual({ name: 'templates', query: { search: 'one' } })
  expect(of('backup')).toBeUndefined()
})
