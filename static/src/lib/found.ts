import type { RouteLocationRaw } from 'vue-router'
import type { Found, Hit } from '@/api/types'

type Kind = Found['kind']

/** The lists of what a search finds, and what they are filtered by. */
const LISTS: Record<Kind, string> = {
  desktop: 'all-desktops',
  'desktop-group': 'desktop-groups',
  template: 'templates',
  'education-group': 'groups',
  user: 'users',
  node: 'nodes',
  network: 'networks',
}

/** The list that shows everything of a kind that matches. */
export const listOf = (kind: Kind, search: string): RouteLocationRaw => ({ name: LISTS[kind], query: { search } })

/** The page of what was found, else the list that shows it alone. */
export function placeOfHit(kind: Kind, { uuid, name }: Hit): RouteLocationRaw {
  if (kind === 'desktop') return { name: 'desktop', params: { uuid } }
  if (kind === 'desktop-group') return { name: 'desktops', params: { uuid } }
  return listOf(kind, name)
}

/** A line of what was found: a hit, or all that there are beyond those that are shown. */
export interface Line {
  id: string
  hit?: Hit
  place: RouteLocationRaw
}

/** What was found, as lines that one goes through with the arrow keys. */
export function linesOf({ kind, count, hits }: Found, search: string): Line[] {
  const lines: Line[] = hits.map((hit) => ({ id: `${kind}-${hit.uuid}`, hit, place: placeOfHit(kind, hit) }))
  return count > hits.length ? [...lines, { id: `${kind}-all`, place: listOf(kind, search) }] : lines
}
