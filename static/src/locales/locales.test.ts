import { expect, test } from 'vitest'
import en from './en.json'
import enText from './en.json?raw'
import zh from './zh-CN.json'
import zhText from './zh-CN.json?raw'

type Tree = { [key: string]: string | Tree }

function leaves(tree: Tree, path = ''): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === 'string' ? [[path + key, value] as [string, string]] : leaves(value, `${path}${key}.`),
  )
}

const slots = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort()

test('both catalogues have the same keys', () => {
  const keys = (tree: Tree) =>
    leaves(tree)
      .map(([key]) => key)
      .sort()
  expect(keys(zh)).toEqual(keys(en))
})

test('every sentence takes the same arguments in both languages', () => {
  const chinese = new Map(leaves(zh))
  for (const [key, text] of leaves(en)) expect([key, slots(chinese.get(key) ?? '')]).toEqual([key, slots(text)])
})

test('no key stands twice: the second would take the place of the first', () => {
  for (const [tree, text] of [
    [en, enText],
    [zh, zhText],
  ] as const)
    expect(text.match(/^\s*"/gm)?.length).toBe(count(tree))
})

test('whatever is asked for by its key is there', () => {
  const sources: Record<string, string> = import.meta.glob(['../**/*.{vue,ts}', '!../**/*.test.ts'], {
    query: '?raw',
    import: 'default',
    eager: true,
  })
  const known = new Set(leaves(en).map(([key]) => key))
  const asked = Object.entries(sources).flatMap(([file, text]) =>
    [...text.matchAll(/(?<![\w.])\$?t\(\s*'([\w.-]+)'/g)].map(([, key]) => `${key} in ${file}`),
  )
  expect(asked.length).toBeGreaterThan(500)
  expect(asked.filter((line) => !known.has(line.split(' ')[0]!))).toEqual([])
})

/** Lines that begin with a key. */
function count(tree: Tree): number {
  return Object.values(tree).reduce((sum, value) => sum + 1 + (typeof value === 'string' ? 0 : count(value)), 0)
}
