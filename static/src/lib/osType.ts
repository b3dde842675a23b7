/** The systems that the documents name; any other text is taken too. */
export const OS_TYPES = ['Linux', 'Windows 10 bit 64', 'Windows 7 bit 64', 'Windows 7 bit 32', 'Windows XP']

/** What a file's name says about the system in it. */
export function guessOsType(file: string): string {
  const name = file.toLowerCase()
  if (/win(dows)?[-_ ]?(10|11)/.test(name)) return 'Windows 10 bit 64'
  if (/win(dows)?[-_ ]?7/.test(name)) return /32|x86(?!_64)/.test(name) ? 'Windows 7 bit 32' : 'Windows 7 bit 64'
  if (/win(dows)?[-_ ]?xp/.test(name)) return 'Windows XP'
  return 'Linux'
}

/** A name for an image out of its file's name. */
export const nameOfFile = (file: string): string =>
  file.replace(/\.(qcow2|img|iso|raw|vmdk|vdi|vhdx?|ova)$/i, '').slice(0, 64)
