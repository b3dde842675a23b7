/** Letters and digits that are not taken for one another when somebody reads them out. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
const GROUPS = 4
const GROUP_LENGTH = 4

/** A password to be handed over, in groups that are easy to type: about 92 bits. */
export function randomPassword(): string {
  const letters: string[] = []
  while (letters.length < GROUPS * GROUP_LENGTH) {
    const [byte] = crypto.getRandomValues(new Uint8Array(1))
    // Bytes beyond the last whole multiple would favour the first letters.
    if (byte! < ALPHABET.length * Math.floor(256 / ALPHABET.length)) letters.push(ALPHABET[byte! % ALPHABET.length]!)
  }
  const text = letters.join('')
  return Array.from({ length: GROUPS }, (_, index) =>
    text.slice(index * GROUP_LENGTH, (index + 1) * GROUP_LENGTH),
  ).join('-')
}
