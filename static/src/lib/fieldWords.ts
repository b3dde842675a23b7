/** A server's sentence with what its form calls a field, in place of the name that programs know it by. */
export function withLabel(sentence: string, field: string, label: string): string {
  if (!field || !label) return sentence
  const name = field.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return sentence
    .replace(new RegExp(`(?:The field|Field) ${name}(?![\\w.])`, 'g'), `“${label}”`)
    .replace(new RegExp(`(of the field|in) ${name}(?![\\w.])`, 'g'), (_, before: string) =>
      before === 'in' ? `in “${label}”` : `of “${label}”`,
    )
    .replace(new RegExp(`the field ${name}(?![\\w.])`, 'g'), `“${label}”`)
    .replace(new RegExp(`字段\\s*${name}(?![\\w.])`, 'g'), `“${label}”`)
    .replace(new RegExp(`^${name}(?![\\w.])`), `“${label}”`)
}

/** What a form may call a field of the server: `value.name` is its `name`. */
export const propsOf = (field: string, aliases: Record<string, string> = {}): string[] =>
  [aliases[field], field, field.split('.').pop()].filter((prop): prop is string => Boolean(prop))
