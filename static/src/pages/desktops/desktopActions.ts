import {
  CircleClose,
  Delete,
  Download,
  Edit,
  MagicStick,
  Monitor,
  Refresh,
  RefreshRight,
  SwitchButton,
  VideoPlay,
} from '@element-plus/icons-vue'
import { computed } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRouter } from 'vue-router'
import { desktops } from '@/api/teaching'
import type { Desktop } from '@/api/types'
import { showError, useAction } from '@/composables/useAction'
import { useDialog } from '@/composables/useDialog'
import { save } from '@/lib/csv'
import { interruption, type Interruption } from '@/lib/power'
import type { RowAction } from '@/lib/rowAction'

const on = ({ status, power }: Desktop) => status === 'active' || power === 'paused'
const off = (desktop: Desktop) => !on(desktop) && desktop.state === 'ready' && !desktop.working

/** What can be done with desktops, of whatever groups. */
export function useDesktopActions() {
  const { t } = useI18n()
  const router = useRouter()
  const { run } = useAction()
  const rename = useDialog<Desktop>()

  function openConsole({ uuid }: Desktop): void {
    window.open(router.resolve({ name: 'console', params: { kind: 'desktop', uuid } }).href, `carrel-${uuid}`)
  }

  /** The browser hands the file to the program that opens such files. */
  async function openViewer(kind: 'spice' | 'rdp', { uuid }: Desktop): Promise<void> {
    try {
      const { name, content } = await desktops.viewer(kind, uuid)
      save(name, content)
    } catch (error) {
      showError(error)
    }
  }

  const names = (rows: Desktop[]) => rows.map(({ name }) => name)
  const loses = (rows: Desktop[]) =>
    t(rows.some((row) => row.sys_restore) ? 'deskgroup.losesAll' : 'deskgroup.losesUnsaved')

  function interrupt(verb: Interruption, rows: Desktop[]) {
    const ask = { ...interruption(verb, loses(rows)), names: names(rows) }
    return run(() => desktops.power(verb, rows), { ask })
  }

  const room = ({ group_uuid: group }: Desktop) => group
  const actions = computed<RowAction<Desktop>[]>(() => [
    {
      key: 'console',
      needs: 'desktops.console',
      within: room,
      label: t('console.open'),
      icon: Monitor,
      main: true,
      when: on,
      run: ([row]) => openConsole(row!),
    },
    {
      key: 'viewer_spice',
      needs: 'desktops.console',
      within: room,
      label: t('viewer.spice'),
      icon: Download,
      when: (row) => on(row) && row.spice !== 'off',
      run: ([row]) => openViewer('spice', row!),
    },
    {
      key: 'viewer_rdp',
      needs: 'desktops.console',
      within: room,
      label: t('viewer.rdp'),
      icon: Download,
      when: on,
      run: ([row]) => openViewer('rdp', row!),
    },
    {
      key: 'start',
      needs: 'desktops.power',
      within: room,
      label: t('power.start'),
      icon: VideoPlay,
      main: true,
      bulk: true,
      when: off,
      run: (rows) => run(() => desktops.power('start', rows)),
    },
    {
      key: 'cut_off',
      needs: 'desktops.power',
      within: room,
      label: t('power.hard_stop'),
      icon: CircleClose,
      danger: true,
      main: true,
      when: ({ disobeyed }) => disobeyed,
      run: (rows) => interrupt('hard_stop', rows),
    },
    {
      key: 'stop',
      needs: 'desktops.power',
      within: room,
      label: t('power.stop'),
      icon: SwitchButton,
      bulk: true,
      divided: true,
      when: on,
      run: (rows) => interrupt('stop', rows),
    },
    {
      key: 'reboot',
      needs: 'desktops.power',
      within: room,
      label: t('power.reboot'),
      icon: Refresh,
      bulk: true,
      when: on,
      run: (rows) => interrupt('reboot', rows),
    },
    {
      key: 'hard_stop',
      needs: 'desktops.power',
      within: room,
      label: t('power.hard_stop'),
      icon: CircleClose,
      danger: true,
      bulk: true,
      divided: true,
      when: on,
      run: (rows) => interrupt('hard_stop', rows),
    },
    {
      key: 'hard_reboot',
      needs: 'desktops.power',
      within: room,
      label: t('power.hard_reboot'),
      icon: RefreshRight,
      danger: true,
      when: on,
      run: (rows) => interrupt('hard_reboot', rows),
    },
    {
      key: 'first_start',
      needs: 'desktops.manage',
      within: room,
      label: t('firstStart.again'),
      icon: MagicStick,
      bulk: true,
      when: (row) => row.status === 'active' && row.first_start !== 'running',
      run: (rows) =>
        run(() => desktops.firstStartAgain(rows), {
          ask: {
            title: t('firstStart.again'),
            text: t('firstStart.againText'),
            names: names(rows),
            button: t('firstStart.again'),
          },
        }),
    },
    {
      key: 'rename',
      needs: 'desktops.manage',
      within: room,
      label: t('desktop.rename'),
      icon: Edit,
      divided: true,
      when: ({ state }) => state === 'ready',
      run: ([row]) => rename.show(row),
    },
    {
      key: 'delete',
      needs: 'desktops.manage',
      within: room,
      label: t('common.delete'),
      icon: Delete,
      danger: true,
      bulk: true,
      run: (rows) =>
        run(() => desktops.remove(rows), {
          ask: {
            title: t('desktop.delete'),
            text: t('desktop.deleteText'),
            names: names(rows),
            button: t('common.delete'),
          },
        }),
    },
  ])

  return { actions, rename }
}
