import { useLocalStorage } from '@vueuse/core'
import { watchEffect } from 'vue'
import { createI18n } from 'vue-i18n'
import en from './locales/en.json'
import zh from './locales/zh-CN.json'

export type Locale = 'zh-CN' | 'en'

/** The reader's language: what was chosen last, else the browser's. */
export const locale = useLocalStorage<Locale>('carrel.language', navigator.language.startsWith('zh') ? 'zh-CN' : 'en')

export const i18n = createI18n({
  legacy: false,
  locale: locale.value,
  fallbackLocale: 'en',
  messages: { en, 'zh-CN': zh },
})

watchEffect(() => {
  i18n.global.locale.value = locale.value
  document.documentElement.lang = locale.value
})
