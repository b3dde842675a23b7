import { expect, it } from 'vitest'
import { inTurn } from './inTurn'

it('reads once more after what was under way, and never two at once', async () => {
  const answers: ((value: number) => void)[] = []
  let shown = 0
  const read = inTurn(async () => {
    shown = await new Promise<number>((answer) => answers.push(answer))
  })
  const first = read()
  void read()
  const last = read()
  expect(answers.length).toBe(1)
  answers[0]?.(1)
  await Promise.resolve()
  await new Promise((soon) => setTimeout(soon))
  expect(answers.length).toBe(2)
  answers[1]?.(2)
  await Promise.all([first, last])
  expect(shown).toBe(2)
})

it('reads anew after a failure', async () => {
  let asked = 0
  const read = inTurn(() => Promise.reject(new Error(String(++asked))))
  await expect(read()).rejects.toThrow('1')
  await expect(read()).rejects.toThrow('2')
})
