/** A key as it is pressed: its X11 symbol, its place on a keyboard, and whether Shift is held. */
export interface Stroke {
  keysym: number
  code: string
  shift: boolean
}

export type Key = [keysym: number, code: string]

export const SHIFT: Key = [0xffe1, 'ShiftLeft']
export const BACKSPACE: Key = [0xff08, 'Backspace']
const CONTROL: Key = [0xffe3, 'ControlLeft']
const ALT: Key = [0xffe9, 'AltLeft']
const SUPER: Key = [0xffeb, 'MetaLeft']
const TAB: Key = [0xff09, 'Tab']
const ESCAPE: Key = [0xff1b, 'Escape']
const F = (number: number): Key => [0xffbd + number, `F${number}`]

/** Combinations that the browser or the reader's own machine keeps for itself, as they are written. */
export const COMBINATIONS: Record<string, Key[]> = {
  'Ctrl+Alt+Del': [CONTROL, ALT, [0xffff, 'Delete']],
  'Ctrl+Alt+F1': [CONTROL, ALT, F(1)],
  'Ctrl+Alt+F2': [CONTROL, ALT, F(2)],
  'Ctrl+Shift+Esc': [CONTROL, SHIFT, ESCAPE],
  'Alt+Tab': [ALT, TAB],
  'Alt+F4': [ALT, F(4)],
  Super: [SUPER],
  'Super+L': [SUPER, [0x6c, 'KeyL']],
  'Super+R': [SUPER, [0x72, 'KeyR']],
  F11: [F(11)],
  Print: [[0xff61, 'PrintScreen']],
  Esc: [ESCAPE],
  Tab: [TAB],
}

/** The keys of a US keyboard that are no letters and no digits, without and with Shift. */
const OTHERS: Record<string, string> = {
  Minus: '-_',
  Equal: '=+',
  BracketLeft: '[{',
  BracketRight: ']}',
  Backslash: '\\|',
  Semicolon: ';:',
  Quote: '\'"',
  Backquote: '`~',
  Comma: ',<',
  Period: '.>',
  Slash: '/?',
}
const SHIFTED_DIGITS = ')!@#$%^&*('

const strokes = new Map<string, Stroke>()
const add = (char: string, code: string, shift: boolean, keysym = char.charCodeAt(0)) =>
  strokes.set(char, { keysym, code, shift })

for (const letter of 'abcdefghijklmnopqrstuvwxyz') {
  const upper = letter.toUpperCase()
  add(letter, `Key${upper}`, false)
  add(upper, `Key${upper}`, true)
}
for (let digit = 0; digit < 10; digit += 1) {
  add(String(digit), `Digit${digit}`, false)
  add(SHIFTED_DIGITS[digit]!, `Digit${digit}`, true)
}
for (const [code, [plain, shifted]] of Object.entries(OTHERS)) {
  add(plain!, code, false)
  add(shifted!, code, true)
}
add(' ', 'Space', false)
add('\n', 'Enter', false, 0xff0d)
add('\t', 'Tab', false, 0xff09)

/** The key that writes this character on a US keyboard, if there is one: a guest hears keys, not characters. */
export const strokeOf = (char: string): Stroke | undefined => strokes.get(char)

/** The characters of a text that no key writes, each once. */
export const unwritable = (text: string): string[] => [
  ...new Set([...text.replaceAll('\r', '')].filter((char) => !strokes.has(char))),
]

/** What a field of a touch keyboard says happened since: so many characters taken back, and these written. */
export function typed(before: string, now: string): { back: number; text: string } {
  let same = 0
  while (same < before.length && before[same] === now[same]) same += 1
  return { back: before.length - same, text: now.slice(same) }
}
