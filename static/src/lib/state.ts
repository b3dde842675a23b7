import type { Node, OperationState } from '@/api/types'

/** States as the server sends them, and how they look. Labels are `state.<key>` of the catalogue. */
export type Tone = 'success' | 'warning' | 'danger' | 'info' | 'primary'

export interface State {
  key: string
  tone: Tone
  /** Something goes on by itself. */
  busy?: boolean
}

const power: Record<string, State> = {
  active: { key: 'running', tone: 'success' },
  inactive: { key: 'off', tone: 'info' },
  error: { key: 'error', tone: 'danger' },
  paused: { key: 'paused', tone: 'warning' },
  updating: { key: 'updating', tone: 'primary', busy: true },
  saving: { key: 'saving', tone: 'primary', busy: true },
  creating: { key: 'creating', tone: 'primary', busy: true },
  deleting: { key: 'deleting', tone: 'primary', busy: true },
  starting: { key: 'starting', tone: 'primary', busy: true },
  stopping: { key: 'stopping', tone: 'primary', busy: true },
  editing: { key: 'editing', tone: 'warning' },
}

const node: Record<Node['status'], State> = {
  active: { key: 'online', tone: 'success' },
  shutdown: { key: 'offline', tone: 'info' },
  error: { key: 'error', tone: 'danger' },
}

const copy: Record<number, State> = {
  0: { key: 'ready', tone: 'success' },
  1: { key: 'copying', tone: 'primary', busy: true },
  2: { key: 'error', tone: 'danger' },
}

const operation: Record<OperationState, State> = {
  scheduled: { key: 'scheduled', tone: 'info' },
  undoing: { key: 'undoing', tone: 'warning', busy: true },
  queued: { key: 'queued', tone: 'info' },
  running: { key: 'running', tone: 'primary', busy: true },
  succeeded: { key: 'succeeded', tone: 'success' },
  partly: { key: 'partly', tone: 'warning' },
  failed: { key: 'failed', tone: 'danger' },
  cancelled: { key: 'cancelled', tone: 'info' },
}

const unknown = (value: string | number): State => ({ key: String(value), tone: 'info' })

export const powerState = (status: string): State => power[status] ?? unknown(status)
export const nodeState = (status: Node['status']): State => node[status]
export const copyState = (status: number): State => copy[status] ?? unknown(status)
export const operationState = (status: OperationState): State => operation[status]

/** What an operation is doing to a template's own machine; its row tells only when that is done. */
const underWay: Record<string, State> = {
  'template-start': power.starting!,
  'template-edit': power.starting!,
  'template-stop': power.stopping!,
  'template-hard-stop': power.stopping!,
}

interface Work {
  kind: string
  subject: string
}

interface TemplateWords {
  uuid: string
  status: string
  power: string
}

/** A template as people see it: what is being done with it first, then whether it runs. */
export function templateState({ uuid, status, power: really }: TemplateWords, running: Work[]): State {
  const work = running.find(({ kind, subject }) => subject === uuid && kind in underWay)
  if (work) return underWay[work.kind]!
  return powerState(status === 'error' && really === 'paused' ? really : status)
}

interface DesktopWords {
  status: string
  state: string
  power: string
  reason?: string | null
  working?: string | null
  working_kind?: string | null
  stopping?: boolean
}

/** What operations do to a desktop; its row tells only when that is done. */
const desktopWork: Record<string, State> = {
  'desktops-start': power.starting!,
  'desktops-stop': power.stopping!,
  'desktops-hard-stop': power.stopping!,
  'desktops-reboot': { key: 'restarting', tone: 'primary', busy: true },
  'desktops-hard-reboot': { key: 'restarting', tone: 'primary', busy: true },
}

/** A desktop as people see it: what is made of it first, then what is being done with it, then whether it runs. */
export function desktopState({
  status,
  state,
  power: really,
  working,
  working_kind: kind,
  stopping,
}: DesktopWords): State {
  if (state !== 'ready') return powerState(state)
  const work = kind ? desktopWork[kind] : undefined
  if (work) return work
  // Asked to, and at it, also after the operation.
  if (stopping) return power.stopping!
  if (really === 'paused') return powerState(really)
  const shown = powerState(status)
  return working ? { ...shown, tone: 'primary', busy: true } : shown
}

/** What is being done with a desktop where its state does not say it, else why it does not run. */
export const desktopReason = ({ working, working_kind: kind, reason }: DesktopWords): string =>
  (kind && kind in desktopWork ? '' : working || reason) ?? ''

interface GroupWords {
  active: boolean
  state: string
  template_status: string
}

/** A desktop group is locked while it or its template changes; else terminals see it when it is active. */
export function groupState({ active, state, template_status: template }: GroupWords): State {
  if (state !== 'ready') return powerState(state)
  if (template === 'updating') return { key: 'updating', tone: 'primary', busy: true }
  return active ? { key: 'activated', tone: 'success' } : { key: 'deactivated', tone: 'info' }
}
