import { ElMessage } from 'element-plus'
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { i18n } from './i18n'
import { useSession } from './stores/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Key of the page's title. */
    title?: string
    /** Reachable without a session. */
    open?: boolean
  }
}

const page = (path: string, name: string, component: RouteRecordRaw['component']) =>
  ({ path, name, component, meta: { title: `nav.${name}` } }) as RouteRecordRaw

const routes: RouteRecordRaw[] = [
  {
    path: '/sign-in',
    // Where the way over an identity provider ends when it let nobody in.
    alias: '/signin',
    name: 'sign-in',
    component: () => import('./pages/front/SignIn.vue'),
    meta: { open: true, title: 'signIn.title' },
  },
  {
    path: '/register',
    name: 'register',
    component: () => import('./pages/front/Register.vue'),
    meta: { open: true, title: 'register.title' },
  },
  {
    path: '/account/confirm',
    alias: '/confirm',
    name: 'confirm',
    component: () => import('./pages/front/Confirm.vue'),
    meta: { open: true, title: 'confirmMail.title' },
  },
  {
    path: '/setup',
    name: 'setup',
    component: () => import('./pages/front/Setup.vue'),
    meta: { open: true, title: 'setup.title' },
  },
  {
    path: '/console/:kind(desktop|template)/:uuid',
    name: 'console',
    component: () => import('./pages/console/Console.vue'),
    meta: { title: 'console.title' },
  },
  {
    path: '/',
    component: () => import('./components/Shell.vue'),
    children: [
      page('', 'dashboard', () => import('./pages/dashboard/Dashboard.vue')),
      page('pools', 'pools', () => import('./pages/pools/Pools.vue')),
      page('nodes', 'nodes', () => import('./pages/nodes/Nodes.vue')),
      page('images', 'images', () => import('./pages/images/Images.vue')),
      page('networks', 'networks', () => import('./pages/networks/Networks.vue')),
      page('templates', 'templates', () => import('./pages/templates/Templates.vue')),
      page('groups', 'groups', () => import('./pages/groups/Groups.vue')),
      page('desktop-groups', 'desktop-groups', () => import('./pages/desktopGroups/DesktopGroups.vue')),
      page('desktop-groups/:uuid', 'desktops', () => import('./pages/desktops/Desktops.vue')),
      page('users', 'users', () => import('./pages/people/Users.vue')),
      page('roles', 'roles', () => import('./pages/people/Roles.vue')),
      page('user-groups', 'user-groups', () => import('./pages/people/UserGroups.vue')),
      page('sessions/:tab(keys)?', 'sessions', () => import('./pages/people/Sessions.vue')),
      page('ssh', 'ssh', () => import('./pages/people/SshAccess.vue')),
      page('sign-in-rules', 'sign-in-rules', () => import('./pages/people/SignInRules.vue')),
      page('own/:tab?', 'own', () => import('./pages/own/Own.vue')),
      page('log', 'log', () => import('./pages/log/Log.vue')),
      page(':rest(.*)*', 'missing', () => import('./pages/Missing.vue')),
    ],
  },
]

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
  const { user, setup_needed: setupNeeded } = session.current
  if (setupNeeded && to.name !== 'setup') return { name: 'setup' }
  if (!setupNeeded && to.name === 'setup') return { path: '/' }
  if (!user && !to.meta.open) return { name: 'sign-in', query: { next: to.fullPath } }
  if (user && (to.name === 'sign-in' || to.name === 'register')) return { path: '/' }
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
