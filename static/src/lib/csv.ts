/** What a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/

const cell = (text: string): string => {
  const plain = FORMULA.test(text) ? `'${text}` : text
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}

/** Rows as CSV that spreadsheets read as UTF-8. */
export const toCsv = (rows: string[][]): string =>
  `\ufeff${rows.map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`

/** Lets the browser save a text as a file. */
export const saveText = (name: string, text: string, type = 'text/csv;charset=utf-8'): void =>
  save(name, new Blob([text], { type }))

/** Lets the browser save a file. */
export function save(name: string, content: Blob): void {
  const url = URL.createObjectURL(content)
  const link = Object.assign(document.createElement('a'), { href: url, download: name })
  link.click()
  URL.revokeObjectURL(url)
}

/** A file's bytes in base64. */
export const base64Of = (file: Blob): Promise<string> =>
  new Promise((done, failed) => {
    const reader = new FileReader()
    reader.onload = () => done(String(reader.result).replace(/^[^,]*,/, ''))
    reader.onerror = () => failed(reader.error ?? new Error('the file cannot be read'))
    reader.readAsDataURL(file)
  })
