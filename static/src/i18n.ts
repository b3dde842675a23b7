import { useLocalStorage } from '@vueuse/core'
import { watch } from 'vue'
import { createI18n } from 'vue-i18n'

export type Locale = 'zh-CN' | 'en'

/** A reader needs the words of one language; each is a file of its own. */
const CATALOGUES = {
  en: () => import('./locales/en.json'),
  'zh-CN': () => import('./locales/zh-CN.json'),
}

/** The reader's language: what was chosen last, else the browser's. */
export const locale = useLocalStorage<Locale>('carrel.language', navigator.language.startsWith('zh') ? 'zh-CN' : 'en')

if (!(locale.value in CATALOGUES)) locale.value = 'en'

export const i18n = createI18n({ legacy: false, locale: locale.value })

/** Shows everything in `language` as soon as its words are here; nothing if another was chosen meanwhile. */
export async function speak(language: Locale): Promise<void> {
  const words = await CATALOGUES[language]()
  i18n.global.setLocaleMessage(language, words.default)
  if (language !== locale.value) return
  i18n.global.locale.value = language
  document.documentElement.lang = language
}

// Where the words are not to be had the server was updated meanwhile: the page as it is now speaks them.
watch(locale, (language) => speak(language).catch(() => location.reload()))
