import type { Permission } from '@/api/types'

/** What is needed to see a page, by its name. */
export const NEEDS: Partial<Record<string, Permission>> = {
  dashboard: 'overview.view',
  templates: 'templates.view',
  groups: 'groups.view',
  'desktop-groups': 'desktops.view',
  desktops: 'desktops.view',
  'all-desktops': 'desktops.view',
  desktop: 'desktops.view',
  images: 'images.view',
  isos: 'images.view',
  networks: 'networks.view',
  pools: 'pools.view',
  nodes: 'nodes.view',
  users: 'users.view',
  roles: 'users.view',
  'user-groups': 'users.view',
  sessions: 'users.view',
  ssh: 'ssh-keys.view',
  'sign-in-rules': 'settings.manage',
  settings: 'settings.manage',
  log: 'audit.view',
}
