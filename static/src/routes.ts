import type { RouteRecordRaw } from 'vue-router'

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

/** Every page of the console. `tour.json` says how to see each of them, for the tests that look at all. */
export const routes: RouteRecordRaw[] = [
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
      page('isos', 'isos', () => import('./pages/isos/Isos.vue')),
      page('networks', 'networks', () => import('./pages/networks/Networks.vue')),
      page('templates', 'templates', () => import('./pages/templates/Templates.vue')),
      page('groups', 'groups', () => import('./pages/groups/Groups.vue')),
      page('desktop-groups', 'desktop-groups', () => import('./pages/desktopGroups/DesktopGroups.vue')),
      page('desktop-groups/:uuid', 'desktops', () => import('./pages/desktops/Desktops.vue')),
      page('desktops', 'all-desktops', () => import('./pages/desktops/AllDesktops.vue')),
      page('desktops/:uuid', 'desktop', () => import('./pages/desktops/Desktop.vue')),
      page('users', 'users', () => import('./pages/people/Users.vue')),
      page('roles', 'roles', () => import('./pages/people/Roles.vue')),
      page('user-groups', 'user-groups', () => import('./pages/people/UserGroups.vue')),
      page('sessions/:tab(keys)?', 'sessions', () => import('./pages/people/Sessions.vue')),
      page('ssh', 'ssh', () => import('./pages/people/SshAccess.vue')),
      page('sign-in-rules', 'sign-in-rules', () => import('./pages/people/SignInRules.vue')),
      page('settings', 'settings', () => import('./pages/system/Settings.vue')),
      page('own/:tab?', 'own', () => import('./pages/own/Own.vue')),
      page('log', 'log', () => import('./pages/log/Log.vue')),
      page(':rest(.*)*', 'missing', () => import('./pages/Missing.vue')),
    ],
  },
]
