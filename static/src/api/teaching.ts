/** Templates, education groups, desktop groups and desktops. */
import { action, call, file, fill, get, getOne, post, put, remove, withField } from './http'
import type { Body, Data, Param, Query } from './http'
import type { DiskBus, Hardware, Limits, Named, StartScript } from './types'

const base = '/api/v1.0/education'

/** The documents name an object by uuid and name; the rest of a row stays here. */
const named = ({ uuid, name }: Named): Named => ({ uuid, name })

const templatePath = `${base}/template/` as const
const versionsPath = '/api/v1.0/templates/{template_uuid}/versions'
const hardwarePath = '/api/v1.0/templates/{template_uuid}/hardware' as const
const busPath = '/api/v1.0/templates/{template_uuid}/bus-switch' as const
const startScriptPath = '/api/v1.0/templates/{template_uuid}/first-start'
type TemplateBody = Body<typeof templatePath, 'post'>

export type TemplateInput = Param<typeof templatePath, 'create'>
export type TemplateCopy = Param<typeof templatePath, 'copy'>
export type TemplateChange = Body<typeof templatePath, 'put'>['value']
/** A disk of a template that grows (`uuid`), or one to be added (`inx`). */
export type DiskChange = NonNullable<TemplateChange['devices']>[number]
export type TemplatePower = Extract<TemplateBody, { param: { templates: unknown } }>['action']

export const templates = {
  list: (query: Query) => get(templatePath, query),
  one: (uuid: string) => getOne(templatePath, uuid),
  create: (input: TemplateInput) => action(templatePath, 'create', input),
  power: (verb: TemplatePower, rows: Named[]) => action(templatePath, verb, { templates: rows.map(named) }),
  edit: (row: Named) => action(templatePath, 'edit', named(row)),
  save: (row: Named, note: string, runDate?: string) =>
    action(templatePath, 'save', { ...named(row), note, run_date: runDate }),
  versions: (uuid: string) => get(versionsPath, {}, { template_uuid: uuid }),
  revert: (row: Named, version: number, note: string) =>
    post(versionsPath, { version, note }, { template_uuid: row.uuid }),
  removeVersions: (row: Named, versions: number[]) => remove(versionsPath, { versions }, { template_uuid: row.uuid }),
  hardware: (uuid: string) => get(hardwarePath, {}, { template_uuid: uuid }),
  poolCpu: (uuid: string) => get(`${hardwarePath}/pool-cpu`, {}, { template_uuid: uuid }),
  firstStart: (uuid: string) => get(startScriptPath, {}, { template_uuid: uuid }),
  setFirstStart: (row: Named, script: StartScript) => put(startScriptPath, script, { template_uuid: row.uuid }),
  changeHardware: (row: Named, hardware: Hardware) => put(hardwarePath, hardware, { template_uuid: row.uuid }),
  beginBusSwitch: (row: Named, to: DiskBus) => post(busPath, { to }, { template_uuid: row.uuid }),
  tryBus: (row: Named, minutes: number) => post(`${busPath}/try`, { minutes }, { template_uuid: row.uuid }),
  confirmBus: (row: Named) => post(`${busPath}/confirm`, {}, { template_uuid: row.uuid }),
  undoBusSwitch: (row: Named) => remove(busPath, {}, { template_uuid: row.uuid }),
  attach: (row: Named, iso: string) => action(templatePath, 'attach_source', { ...named(row), iso_uuid: iso }),
  detach: (row: Named, iso: string) => action(templatePath, 'detach_source', { ...named(row), iso_uuid: iso }),
  copy: (input: TemplateCopy) => action(templatePath, 'copy', input),
  download: (row: Named) => withField(action(templatePath, 'download', named(row)), 'url'),
  change: (row: Named, value: TemplateChange) => put(templatePath, { ...named(row), value }),
  images: (pool: string, template: string) =>
    get(`${templatePath}image/`, { pool_uuid: pool, template_uuid: template }),
  remove: (rows: Named[]) => remove(templatePath, { templates: rows.map(named) }),
  screen: (uuid: string) => fill(`${templatePath}{uuid}/screen`, { uuid }),
}

const groupPath = `${base}/group/` as const
export type GroupInput = Body<typeof groupPath, 'post'>

export const groups = {
  list: (query: Query) => get(groupPath, { group_type: 1, ...query }),
  create: (input: GroupInput) => post(groupPath, { ...input, group_type: 1 }),
  edit: (row: Named, value: Body<typeof groupPath, 'put'>['value']) => put(groupPath, { ...named(row), value }),
  remove: (rows: Named[]) => remove(groupPath, { groups: rows.map(named) }),
}

const desktopPath = `${base}/desktop/` as const
const limitsPath = '/api/v1.0/desktop-groups/{group_uuid}/limits'
const hostNamesPath = '/api/v1.0/desktop-groups/{group_uuid}/host-names'
export type Capacity = Data<`${typeof desktopPath}capacity/`>
export type GroupPower = Extract<Body<typeof desktopPath, 'post'>, { param: { desktops: unknown } }>['action']

export const desktopGroups = {
  list: (query: Query) => get(desktopPath, query),
  one: (uuid: string) => getOne(desktopPath, uuid),
  capacity: (of: { group_uuid: string; template_uuid: string; network_uuid: string; subnet_uuid: string }) =>
    get(`${desktopPath}capacity/`, of),
  create: (input: Param<typeof desktopPath, 'create'>) => action(desktopPath, 'create', input),
  power: (verb: GroupPower, rows: Named[]) => action(desktopPath, verb, { desktops: rows.map(named) }),
  edit: (row: Named, value: Body<typeof desktopPath, 'put'>['value']) => put(desktopPath, { ...named(row), value }),
  limits: (uuid: string) => get(limitsPath, {}, { group_uuid: uuid }),
  limit: (row: Named, limits: Limits) => put(limitsPath, limits, { group_uuid: row.uuid }),
  /** What each desktop gets by a pattern, or by the group's own. */
  hostNames: (uuid: string, pattern?: string) => get(hostNamesPath, { pattern }, { group_uuid: uuid }),
  setHostNames: (row: Named, pattern: string) => put(hostNamesPath, { pattern }, { group_uuid: row.uuid }),
  remove: (rows: Named[]) => remove(desktopPath, { desktops: rows.map(named) }),
}

const instancePath = `${base}/instance/` as const
/** Desktops of all groups. */
const desktopsPath = '/api/v1.0/desktops' as const
const desktopPathOf = `${desktopsPath}/{desktop_uuid}` as const
const guestPath = `${desktopPathOf}/guest` as const
const firstStartPath = `${desktopPathOf}/first-start` as const
const viewerPath = `${desktopPathOf}/viewer/{kind}` as const
export type DesktopPower = Extract<Body<typeof desktopsPath, 'post'>, { param: { desktops: unknown } }>['action']

export const desktops = {
  list: (query: Query) => get(desktopsPath, query),
  /** With the memory that it uses. */
  one: (uuid: string) => get(desktopPathOf, {}, { desktop_uuid: uuid }),
  rename: (row: Named, name: string) => put(desktopPathOf, { name }, { desktop_uuid: row.uuid }),
  guest: (uuid: string) => get(guestPath, {}, { desktop_uuid: uuid }),
  firstStart: (uuid: string) => get(firstStartPath, {}, { desktop_uuid: uuid }),
  firstStartAgain: (rows: Named[]) => post('/api/v1.0/first-starts', { desktops: rows.map(named) }),
  power: (verb: DesktopPower, rows: Named[]) => action(desktopsPath, verb, { desktops: rows.map(named) }),
  /** `spread` is desktops by node address; left out, the server spreads them by free memory. */
  add: (group: Named, count: number, spread?: Record<string, number>) =>
    action(instancePath, 'create', {
      desktop_uuid: group.uuid,
      desktop_name: group.name,
      desktop_type: 1,
      instance_num: count,
      create_info: spread,
    }),
  remove: (rows: Named[]) => remove(desktopsPath, { desktops: rows.map(named) }),
  /** A file that opens it in a program beside the browser, once. */
  viewer: (kind: 'spice' | 'rdp', uuid: string) => file(viewerPath, { desktop_uuid: uuid, kind }),
  screen: (uuid: string, width = 240) => `${fill(`${instancePath}{uuid}/screen`, { uuid })}?width=${width}`,
}

export type ConsoleKind = 'desktop' | 'template'

/** A URL with a single-use token, and what the machine has beside a picture; every connection asks for its own. */
export async function openConsole(kind: ConsoleKind, row: Named) {
  const path = kind === 'desktop' ? instancePath : templatePath
  const body = { action: 'get_console', param: named(row) } as const
  return (await withField(call('post', path, { body }), 'websockify_url')).data
}
