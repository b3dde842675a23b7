import { ElMessage } from 'element-plus'
import { createRouter, createWebHistory } from 'vue-router'
import { i18n } from './i18n'
import { routes } from './routes'
import { useSession } from './stores/session'

export const router = createRouter({
  history: createWebHistory(),
  routes,
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

router.beforeEach(async (to) => {
  // The setup link may carry its route behind a `#`.
  if (to.hash.startsWith('#/')) return to.hash.slice(1)
  const session = useSession()
  if (!session.known) {
    try {
      await session.load()
    } catch {
      // The page shows why; a guard that fails would leave it blank.
      return to.meta.open ? true : { name: 'sign-in', query: { next: to.fullPath } }
    }
  }
  const { user, setup_needed: setupNeeded, second_factor_required: factorRequired } = session.current
  if (setupNeeded && to.name !== 'setup') return { name: 'setup' }
  if (!setupNeeded && to.name === 'setup') return { path: '/' }
  if (!user && !to.meta.open) return { name: 'sign-in', query: { next: to.fullPath } }
  if (user && (to.name === 'sign-in' || to.name === 'register')) return { path: '/' }
  if (user && factorRequired && !to.meta.open && !(to.name === 'own' && to.params.tab === 'security'))
    return { name: 'own', params: { tab: 'security' } }
  // Whoever sees nothing of the installation still has an account.
  if (to.name === 'dashboard' && !session.may('overview.view')) return { name: 'own' }
  return true
})

/** When the page was last loaded anew because the code of one of its parts was not to be had. */
const RELOADED = 'carrel.reloaded'
const RELOAD_MS = 10_000

// The server was updated since this tab was opened, or the network broke off. A fresh load has the new code;
// if that fails too, the reader is told instead of being left with a link that does nothing.
router.onError((error, to) => {
  if (!/import|module|preload/i.test(String((error as Error).message))) return
  const before = Number(sessionStorage.getItem(RELOADED) ?? 0)
  if (Date.now() - before < RELOAD_MS) {
    ElMessage.error(i18n.global.t('common.unreachable'))
    return
  }
  sessionStorage.setItem(RELOADED, String(Date.now()))
  location.assign(to.fullPath)
})

router.afterEach((to) => {
  const title = to.meta.title ? i18n.global.t(to.meta.title) : ''
  document.title = title ? `${title} · Carrel` : 'Carrel'
})
