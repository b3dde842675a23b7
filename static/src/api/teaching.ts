/** Templates, education groups, desktop groups and desktops. */
import { action, call, get, post, put, remove, type Page, type Query } from './http'
import type { Desktop, DesktopGroup, DiskChange, EducationGroup, Named, Template, TemplateImage } from './types'

const base = '/api/v1.0/education'

/** Asks a list for one row. */
const single = (uuid: string): Query => ({ searchtype: 'single', uuid })

/** The documents name an object by uuid and name; the rest of a row stays here. */
const names = (rows: Named[]): Named[] => rows.map(({ uuid, name }) => ({ uuid, name }))

export interface TemplateInput {
  name: string
  desc: string
  os_type: string
  classify: number
  pool_uuid: string
  network_uuid: string
  subnet_uuid: string
  bind_ip?: string
  vcpu: number
  ram: number
  system_disk: { image_id: string; size: number }
  data_disks: { inx: number; size: number }[]
}

export interface TemplateChange {
  name: string
  desc: string
  network_uuid: string
  subnet_uuid: string
  bind_ip: string
  vcpu: number
  ram: number
  devices: DiskChange[]
}

export interface TemplateCopy {
  template_uuid: string
  name: string
  desc: string
  pool_uuid: string
  network_uuid: string
  subnet_uuid: string
  bind_ip?: string
}

export type TemplatePower = 'start' | 'stop' | 'hard_stop' | 'reboot' | 'hard_reboot' | 'reset'

const templatePath = `${base}/template/`

export const templates = {
  list: (query: Query) => get<Page<Template>>(templatePath, query),
  one: (uuid: string) => get<Template>(templatePath, single(uuid)),
  create: (input: TemplateInput) => action(templatePath, 'create', input),
  power: (verb: TemplatePower, rows: Named[]) => action(templatePath, verb, { templates: names(rows) }),
  edit: ({ name, uuid }: Named) => action(templatePath, 'edit', { name, uuid }),
  save: ({ name, uuid }: Named, runDate?: string) =>
    action(templatePath, 'save', { name, uuid, ...(runDate ? { run_date: runDate } : {}) }),
  copy: (input: TemplateCopy) => action(templatePath, 'copy', input),
  download: ({ name, uuid }: Named) => action(templatePath, 'download', { name, uuid }),
  change: ({ name, uuid }: Named, value: TemplateChange) => put(templatePath, { uuid, name, value }),
  images: (pool: string, template: string) =>
    get<Page<TemplateImage>>(`${templatePath}image/`, { pool_uuid: pool, template_uuid: template }),
  remove: (rows: Named[]) => remove(templatePath, { templates: names(rows) }),
  screen: (uuid: string) => `${templatePath}${uuid}/screen`,
}

export interface GroupInput {
  name: string
  desc: string
  network_uuid: string
  subnet_uuid: string
  start_ip: string
  end_ip: string
}

export const groups = {
  list: (query: Query) => get<Page<EducationGroup>>(`${base}/group/`, { group_type: 1, ...query }),
  create: (input: GroupInput) => post(`${base}/group/`, { ...input, group_type: 1 }),
  edit: ({ uuid, name }: Named, value: GroupInput) => put(`${base}/group/`, { uuid, name, value }),
  remove: (rows: Named[]) => remove(`${base}/group/`, { groups: names(rows) }),
}

export interface DesktopGroupInput {
  name: string
  group_uuid: string
  template_uuid: string
  pool_uuid: string
  network_uuid: string
  subnet_uuid: string
  vcpu: number
  ram: number
  sys_restore: number
  data_restore: number
  instance_num: number
  prefix: string
  postfix: number
  postfix_start: number
  /** Desktops by node address; left out, the server spreads them by free memory. */
  create_info?: Record<string, number>
}

export interface DesktopGroupChange {
  name: string
  sys_restore: number
  data_restore: number
  order_num: number
}

export type GroupPower = 'start' | 'stop' | 'reboot' | 'active' | 'inactive'

const desktopPath = `${base}/desktop/`

export const desktopGroups = {
  list: (query: Query) => get<Page<DesktopGroup>>(desktopPath, query),
  one: (uuid: string) => get<DesktopGroup>(desktopPath, single(uuid)),
  create: (input: DesktopGroupInput) => action(desktopPath, 'create', input),
  power: (verb: GroupPower, rows: Named[]) => action(desktopPath, verb, { desktops: names(rows) }),
  edit: ({ uuid, name }: Named, value: DesktopGroupChange) => put(desktopPath, { uuid, name, value }),
  remove: (rows: Named[]) => remove(desktopPath, { desktops: names(rows) }),
}

export type DesktopPower = 'start' | 'stop' | 'reboot'

const instancePath = `${base}/instance/`
/** A desktop's group, as a command on desktops names it. */
export const groupOf = ({ desktop_uuid, desktop_name }: Desktop): Named => ({ uuid: desktop_uuid, name: desktop_name })
const within = (group: Named) => ({ desktop_uuid: group.uuid, desktop_name: group.name, desktop_type: 1 })

export const desktops = {
  list: (group: string, query: Query) => get<Page<Desktop>>(instancePath, { desktop_uuid: group, ...query }),
  one: (uuid: string) => get<Desktop>(instancePath, single(uuid)),
  power: (verb: DesktopPower, group: Named, rows: Named[]) =>
    action(instancePath, verb, { ...within(group), instances: names(rows) }),
  add: (group: Named, count: number, spread?: Record<string, number>) =>
    action(instancePath, 'create', {
      ...within(group),
      instance_num: count,
      ...(spread ? { create_info: spread } : {}),
    }),
  remove: (group: Named, rows: Named[]) => remove(instancePath, { ...within(group), instances: names(rows) }),
  screen: (uuid: string, width = 240) => `${instancePath}${uuid}/screen?width=${width}`,
}

export type ConsoleKind = 'desktop' | 'template'

/** A URL with a single-use token; every connection asks for its own. */
export async function consoleUrl(kind: ConsoleKind, { uuid, name }: Named): Promise<string> {
  const path = kind === 'desktop' ? instancePath : templatePath
  const body = { action: 'get_console', param: { name, uuid } }
  const answer = await call<{ websockify_url: string }>('POST', path, { body })
  return answer.data.websockify_url
}
