import { describe, expect, test } from 'vitest'
import { ApiError, buildUrl, fill, outcomeOf, readAnswer, withField } from './http'

describe('addresses', () => {
  test('get values for what the document leaves open', () => {
    expect(fill('/user/{user_uuid}/ssh_key/{key_uuid}', { user_uuid: 'a', key_uuid: 'b/c?' })).toBe(
      '/user/a/ssh_key/b%2Fc%3F',
    )
    expect(fill('/user')).toBe('/user')
  })

  test('leave out what is not asked', () => {
    expect(buildUrl('/a', { name: 'x y', page: 1, sort: '', open: undefined })).toBe('/a?name=x+y&page=1')
  })
})

describe('answers', () => {
  test('come out of their envelope, or have none', () => {
    expect(readAnswer(200, '{"code":0,"msg":"ok","data":{"uuid":"a"}}')).toEqual({ data: { uuid: 'a' }, msg: 'ok' })
    expect(readAnswer(200, '{"reset":false}')).toEqual({ data: { reset: false }, msg: '' })
  })

  test('that refuse say why, and for which field', () => {
    const text = '{"code":1,"msg":"taken","data":{"request_id":"r","field":"name","error":"name-taken"}}'
    expect(() => readAnswer(409, text)).toThrow(
      expect.objectContaining({ message: 'taken', status: 409, requestId: 'r', field: 'name', key: 'name-taken' }),
    )
  })

  test('that refuse with HTTP status 200 mean their code', () => {
    const text = '{"code":409,"msg":"in use","data":{"request_id":"r","error":"pool-in-use"}}'
    expect(() => readAnswer(200, text)).toThrow(expect.objectContaining({ message: 'in use', status: 409 }))
  })

  test('may have nothing to give', () => {
    expect(readAnswer(200, '{"code":0,"msg":"ok","data":null}').data).toBeNull()
  })

  test('tell of an operation or a batch where there is one', () => {
    expect(outcomeOf({ operation_uuid: 'a' }).operation_uuid).toBe('a')
    expect(outcomeOf('a sentence')).toEqual({})
    expect(outcomeOf(null)).toEqual({})
  })

  test('of an action have the field that it promises', async () => {
    const answer = Promise.resolve({ data: { url: 'x' } as { url: string } | { name: string }, msg: '' })
    expect((await withField(answer, 'url')).data.url).toBe('x')
    await expect(withField(answer, 'name')).rejects.toThrow(ApiError)
  })
})
