/** A column of a list. Its cell is the slot `col-<key>`, or the row's property of that name. */
export interface Column<T> {
  key: (keyof T & string) | (string & {})
  label: string
  width?: number
  minWidth?: number
  /** Least width on a phone; else all columns have the same. */
  phone?: number
  /** The server sorts by the property `key`. */
  sortable?: boolean
  /** Left out on a phone. */
  wide?: boolean
}
