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

const node: Record<string, State> = {
  active: { key: 'online', tone: 'success' },
  shutdown: { key: 'offline', tone: 'info' },
  error: { key: 'error', tone: 'danger' },
}

const copy: Record<number, State> = {
  0: { key: 'ready', tone: 'success' },
  1: { key: 'copying', tone: 'primary', busy: true },
  2: { key: 'error', tone: 'danger' },
}

const operation: Record<string, State> = {
  scheduled: { key: 'scheduled', tone: 'info' },
  undoing: { key: 'undoing', tone: 'warning', busy: true },
  queued: { key: 'queued', tone: 'info' },
  running: { key: 'running', tone: 'primary', busy: true },
  succeeded: { key: 'succeeded', tone: 'success' },
  failed: { key: 'failed', tone: 'danger' },
  cancelled: { key: 'cancelled', tone: 'info' },
}

const unknown = (value: string | number): State => ({ key: String(value), tone: 'info' })

export const powerState = (status: string): State => power[status] ?? unknown(status)
export const nodeState = (status: string): State => node[status] ?? unknown(status)
export const copyState = (status: number): State => copy[status] ?? unknown(status)
export const operationState = (status: string): State => operation[status] ?? unknown(status)

/** A desktop group is locked while its template changes; else terminals see it when it is active. */
export function groupState({ active, template_status: template }: { active: boolean; template_status: string }): State {
  if (template === 'updating') return { key: 'updating', tone: 'primary', busy: true }
  return active ? { key: 'activated', tone: 'success' } : { key: 'deactivated', tone: 'info' }
}
