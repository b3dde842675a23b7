import {
  CircleCheck,
  CircleClose,
  Delete,
  Edit,
  Grid,
  Hide,
  Odometer,
  PriceTag,
  Refresh,
  SwitchButton,
  VideoPlay,
} from '@element-plus/icons-vue'
import { computed } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRouter } from 'vue-router'
import { desktopGroups, type GroupPower } from '@/api/teaching'
import type { DesktopGroup } from '@/api/types'
import { useAction } from '@/composables/useAction'
import { useDialog } from '@/composables/useDialog'
import type { RowAction } from '@/lib/rowAction'

/** While it is made, or its template is written anew, nothing may be done with a group. */
const free = ({ template_status: template, state }: DesktopGroup) => template !== 'updating' && state === 'ready'

/** Why nothing may be done with a group; else what an inactive one waits for. */
export function useGroupReason() {
  const { t } = useI18n()
  return (group: DesktopGroup) => group.reason || (free(group) && !group.active ? t('deskgroup.inactive') : '')
}

/** What can be done with desktop groups. */
export function useGroupActions(options: { removed?: () => void } = {}) {
  const { t } = useI18n()
  const router = useRouter()
  const { run } = useAction()
  const edit = useDialog<DesktopGroup>()
  const limits = useDialog<DesktopGroup>()
  const hostNames = useDialog<DesktopGroup>()

  const power = (verb: GroupPower, rows: DesktopGroup[]) => run(() => desktopGroups.power(verb, rows))

  /** Desktops that are on and come back clean lose what was not saved: ask once. */
  function ask(verb: 'stop' | 'reboot' | 'hard_stop', rows: DesktopGroup[]) {
    const running = rows.filter((row) => row.active_count > 0)
    if (!running.length) return undefined
    const loses = t(running.some((row) => row.sys_restore) ? 'deskgroup.losesAll' : 'deskgroup.losesUnsaved')
    return {
      title: t(`deskgroup.${verb}`),
      text: `${t(verb === 'hard_stop' ? 'power.hard_stopText' : 'power.asksText')} ${loses}`,
      names: running.map(({ name, active_count: count }) => t('deskgroup.withRunning', { name, count })),
      button: t(`power.${verb}`),
    }
  }

  const room = ({ group }: DesktopGroup) => group
  const actions = computed<RowAction<DesktopGroup>[]>(() => [
    {
      key: 'open',
      label: t('deskgroup.open'),
      icon: Grid,
      run: ([group]) => router.push({ name: 'desktops', params: { uuid: group!.uuid } }),
    },
    {
      key: 'start',
      needs: 'desktops.power',
      within: room,
      label: t('power.start'),
      icon: VideoPlay,
      main: true,
      bulk: true,
      when: (group) => free(group) && group.inactive_count > 0,
      run: (rows) => power('start', rows),
    },
    {
      key: 'stop',
      needs: 'desktops.power',
      within: room,
      label: t('power.stop'),
      icon: SwitchButton,
      bulk: true,
      when: (group) => free(group) && group.active_count > 0,
      run: (rows) => run(() => desktopGroups.power('stop', rows), { ask: ask('stop', rows) }),
    },
    {
      key: 'reboot',
      needs: 'desktops.power',
      within: room,
      label: t('power.reboot'),
      icon: Refresh,
      bulk: true,
      when: (group) => free(group) && group.active_count > 0,
      run: (rows) => run(() => desktopGroups.power('reboot', rows), { ask: ask('reboot', rows) }),
    },
    {
      key: 'hard_stop',
      needs: 'desktops.power',
      within: room,
      label: t('power.hard_stop'),
      icon: CircleClose,
      danger: true,
      bulk: true,
      when: (group) => free(group) && group.active_count > 0,
      run: (rows) => run(() => desktopGroups.power('hard_stop', rows), { ask: ask('hard_stop', rows) }),
    },
    {
      key: 'active',
      needs: 'desktops.manage',
      within: room,
      label: t('deskgroup.activate'),
      icon: CircleCheck,
      divided: true,
      bulk: true,
      when: (group) => free(group) && !group.active,
      run: (rows) => power('active', rows),
    },
    {
      key: 'inactive',
      needs: 'desktops.manage',
      within: room,
      label: t('deskgroup.deactivate'),
      icon: Hide,
      bulk: true,
      when: (group) => free(group) && group.active,
      run: (rows) => power('inactive', rows),
    },
    {
      key: 'edit',
      needs: 'desktops.manage',
      within: room,
      label: t('common.edit'),
      icon: Edit,
      when: free,
      run: ([group]) => edit.show(group),
    },
    {
      key: 'limits',
      needs: 'desktops.manage',
      within: room,
      label: t('limits.action'),
      icon: Odometer,
      when: free,
      run: ([group]) => limits.show(group),
    },
    {
      key: 'host_names',
      needs: 'desktops.manage',
      within: room,
      label: t('hostNames.action'),
      icon: PriceTag,
      when: free,
      run: ([group]) => hostNames.show(group),
    },
    {
      key: 'delete',
      needs: 'desktops.manage',
      within: room,
      label: t('common.delete'),
      icon: Delete,
      danger: true,
      bulk: true,
      divided: true,
      when: free,
      run: async (rows) => {
        const taken = await run(() => desktopGroups.remove(rows), {
          ask: {
            title: t('deskgroup.delete'),
            text: t('deskgroup.deleteText'),
            names: rows.map(({ name, instance_num: count }) => t('group.withDesktops', { name, count })),
            button: t('common.delete'),
          },
        })
        if (taken) options.removed?.()
        return taken
      },
    },
  ])

  return { actions, edit, limits, hostNames }
}
