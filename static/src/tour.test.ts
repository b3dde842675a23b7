import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { routes } from './routes'
import tour from './tour.json'

/** Files that open a dialog or a drawer. */
const files = Object.keys(import.meta.glob('./**/*.vue')).map((path) => path.replace('./', ''))
const opens = files.filter((file) =>
  /<(el-dialog|el-drawer|FormDialog)\b/.test(readFileSync(new URL(file, import.meta.url), 'utf8')),
)
/** The frames that others fill. */
const FRAMES = ['components/FormDialog.vue']

describe('the tour of the console', () => {
  it('comes to every page', () => {
    const pages = routes.flatMap(({ name, children = [] }) => [name, ...children.map((child) => child.name)])
    const seen = new Set(tour.map(({ page }) => page))
    expect(pages.filter((name) => name && !seen.has(String(name)))).toEqual([])
  })

  it('opens every dialog and drawer', () => {
    const seen = new Set(tour.flatMap(({ open = {} }) => Object.keys(open)))
    expect(opens.filter((file) => !FRAMES.includes(file) && !seen.has(file))).toEqual([])
  })
})
