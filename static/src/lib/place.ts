import type { RouteLocationRaw } from 'vue-router'
import type { Operation } from '@/api/types'

/** Kinds whose subject is a desktop group that is there when they have ended. */
const IN_GROUP = [
  'desktop-group-create',
  'desktop-group-restore',
  'desktops-add',
  'desktops-delete',
  'desktops-start',
  'desktops-stop',
  'desktops-reboot',
  'desktops-hard-stop',
  'desktops-hard-reboot',
]

/** Lists of what kinds work on, by the beginning of their names. */
const LISTS: [string, string][] = [
  ['desktop', 'desktop-groups'],
  ['template', 'templates'],
  ['image', 'images'],
  ['iso', 'isos'],
  ['network', 'networks'],
  ['subnet', 'networks'],
]

/** Desktops of several groups have none of them for subject. */
const NONE = '00000000-0000-0000-0000-000000000000'

/** The page of the console that shows what an operation works on. */
export function placeOf({ kind, subject, subject_name }: Operation): RouteLocationRaw | undefined {
  if (IN_GROUP.includes(kind) && subject === NONE) return { name: 'all-desktops' }
  if (IN_GROUP.includes(kind)) return { name: 'desktops', params: { uuid: subject } }
  const name = LISTS.find(([start]) => kind.startsWith(start))?.[1]
  if (!name) return undefined
  const isOne = ['template', 'image', 'iso'].some((start) => kind.startsWith(start)) && !kind.endsWith('-delete')
  return { name, query: isOne ? { search: subject_name } : {} }
}
