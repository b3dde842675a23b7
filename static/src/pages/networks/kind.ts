import { i18n } from '@/i18n'

/** The kind of a switch or network in words; one that this console does not know as the server writes it. */
export function kindName(type: string): string {
  const { t, te } = i18n.global
  const key = `network.kind.${type.toLowerCase()}`
  return te(key) ? t(key) : type
}
