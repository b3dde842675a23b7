import type { FormItemRule } from 'element-plus'
import { i18n } from '@/i18n'
import { isAddress, isNetmask, rangeSize } from './address'

const { t } = i18n.global

/** The server checks everything again; these only spare a round trip. */
export const required = (): FormItemRule => ({ required: true, message: t('rule.required'), trigger: 'blur' })

/** Names as the server takes them: not empty, at most 64 characters. */
export const named = (): FormItemRule[] => [required(), { max: 64, message: t('rule.long'), trigger: 'blur' }]

export const address = (optional = false): FormItemRule => ({
  required: !optional,
  validator: (_rule, value: string, done) =>
    done((optional && !value) || isAddress(value) ? undefined : new Error(t('rule.address'))),
  trigger: 'blur',
})

export const netmask = (): FormItemRule => ({
  required: true,
  validator: (_rule, value: string, done) => done(isNetmask(value) ? undefined : new Error(t('rule.netmask'))),
  trigger: 'blur',
})

/** The end of a range, which `start` gives the beginning of. */
export const rangeEnd = (start: () => string): FormItemRule => ({
  required: true,
  validator: (_rule, value: string, done) =>
    done(rangeSize(start(), value) > 0 ? undefined : new Error(t('rule.range'))),
  trigger: 'blur',
})

/** The server has further rules and says which one was broken. */
export const newPassword = (optional = false): FormItemRule[] => [
  ...(optional ? [] : [required()]),
  { min: 8, message: t('password.short'), trigger: 'blur' },
]

/** The same password once more. */
export const repeated = (first: () => string): FormItemRule => ({
  required: true,
  validator: (_rule, value: string, done) => done(value === first() ? undefined : new Error(t('password.differ'))),
  trigger: 'blur',
})

/** An e-mail address, or none. */
export const email = (optional = true): FormItemRule => ({
  required: !optional,
  validator: (_rule, value: string, done) =>
    done((optional && !value) || /^[^\s@]+@[^\s@]+$/.test(value) ? undefined : new Error(t('rule.email'))),
  trigger: 'blur',
})
