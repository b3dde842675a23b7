import type { Component } from 'vue'
import type { Permission } from '@/api/types'

interface Offer<T> {
  key: string
  label: string
  icon?: Component
  /** Stands as a button in the row, or in some rows; the others are in its menu. */
  main?: boolean | ((row: T) => boolean)
  /** Draws a line above it in the menu. */
  divided?: boolean
  /** Left out for those who may not. */
  needs?: Permission
  /** The education group in which the permission is needed; left out, it is needed everywhere. */
  within?: (row: T) => string | null | undefined
  /** Left out where it makes no sense. */
  when?: (row: T) => boolean
}

interface Plain<T> {
  /** Also offered for several selected rows. */
  bulk?: boolean
  danger?: false
  run: (rows: T[]) => unknown
}

interface OneDanger<T> {
  bulk?: false
  danger: true
  run: (rows: T[]) => unknown
}

interface BulkDanger<T> {
  bulk: true
  danger: true
  /** Whether it was done: what it took away is selected no more. */
  run: (rows: T[]) => Promise<boolean>
}

/** Something that can be done with a row of a list, or with several. */
export type RowAction<T> = Offer<T> & (Plain<T> | OneDanger<T> | BulkDanger<T>)

/** What makes something new in a list. */
export interface NewAction {
  label: string
  /** Left out for those who may not. */
  may: boolean
  icon?: Component
  /** Not possible yet. */
  disabled?: boolean
  key?: string
  run: () => void
}

interface Rights {
  mayEverywhere: (permission: Permission) => boolean
  mayIn: (permission: Permission, group: string | null | undefined) => boolean
}

/** Whether an action is offered for a row. */
export function isOffered<T>(
  { needs, within, when }: Pick<RowAction<T>, 'needs' | 'within' | 'when'>,
  row: T,
  rights: Rights,
): boolean {
  const allowed = !needs || (within ? rights.mayIn(needs, within(row)) : rights.mayEverywhere(needs))
  return allowed && (when?.(row) ?? true)
}

/** Whether an action is a button of this row. */
export const isMain = <T>({ main }: Pick<RowAction<T>, 'main'>, row: T): boolean =>
  typeof main === 'function' ? main(row) : !!main
