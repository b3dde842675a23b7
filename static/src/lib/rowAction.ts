import type { Component } from 'vue'
import type { Permission } from '@/api/types'

/** Something that can be done with a row of a list, or with several. */
export interface RowAction<T> {
  key: string
  label: string
  icon?: Component
  /** Stands as a button in the row; the others are in its menu. */
  main?: boolean
  /** Also offered for several selected rows. */
  bulk?: boolean
  danger?: boolean
  /** Draws a line above it in the menu. */
  divided?: boolean
  /** Left out for those who may not. */
  needs?: Permission
  /** Left out where it makes no sense. */
  when?: (row: T) => boolean
  run: (rows: T[]) => unknown
}
