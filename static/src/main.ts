// Of what stands in no template or comes late; the others come with their components (vite.config.ts).
import 'element-plus/es/components/date-picker/style/css'
import 'element-plus/es/components/message/style/css'
import 'element-plus/es/components/message-box/style/css'
import 'element-plus/es/components/notification/style/css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './styles.css'

import { ID_INJECTION_KEY } from 'element-plus'
import { createPinia } from 'pinia'
import { createApp, watch } from 'vue'
import { connectHttp } from './api/http'
import App from './App.vue'
import { i18n, locale, speak } from './i18n'
import { router } from './router'
import { useLive } from './stores/live'
import { useSession } from './stores/session'

const app = createApp(App).use(createPinia()).use(i18n)
// Menus and hints go where `index.html` has a place for them.
app.provide(ID_INJECTION_KEY, { prefix: 1, current: 0 })

connectHttp({
  language: () => locale.value,
  unreachable: () => i18n.global.t('common.unreachable'),
  missing: () => i18n.global.t('common.notThere'),
  signedOut: () => useSession().expire(),
  factorRequired: () => void useSession().load(),
})

// An administrator said meanwhile that a second factor is needed.
watch(
  () => useSession().current.second_factor_required,
  (required) => {
    if (required && !router.currentRoute.value.meta.open)
      void router.replace({ name: 'own', params: { tab: 'security' } })
  },
)

// Said at once, wherever one is; after signing in one is there again.
watch(
  () => useSession().ended,
  (ended) => {
    if (!ended) return
    useLive().disconnect()
    const { fullPath } = router.currentRoute.value
    void router.replace({ name: 'sign-in', query: { next: fullPath } })
  },
)

await speak(locale.value)
app.use(router).mount('#app')
