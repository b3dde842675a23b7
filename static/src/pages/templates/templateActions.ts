import {
  CircleClose,
  Clock,
  Coin,
  CopyDocument,
  Cpu,
  Delete,
  Download,
  EditPen,
  Files,
  FolderChecked,
  MagicStick,
  Monitor,
  OfficeBuilding,
  Refresh,
  RefreshLeft,
  Setting,
  SwitchButton,
  VideoPlay,
} from '@element-plus/icons-vue'
import { computed, reactive, shallowRef } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRouter } from 'vue-router'
import { templates, type TemplatePower } from '@/api/teaching'
import type { Template } from '@/api/types'
import { useAction, type Question } from '@/composables/useAction'
import { making } from '@/composables/useMake'
import type { RowAction } from '@/lib/rowAction'
import { templateState } from '@/lib/state'
import { useOperations } from '@/stores/operations'

export type TemplateDialog =
  | 'create'
  | 'save'
  | 'copy'
  | 'properties'
  | 'images'
  | 'download'
  | 'history'
  | 'hardware'
  | 'discs'
  | 'bus'
  | 'firstStart'

const settled = ({ status }: Template) => status !== 'updating'
/** Something ran in it since the last version, and its machine is no half thing. */
export const canSave = (template: Template) => template.changed && settled(template) && !template.bus_switch

/** What can be done with templates, and the dialogs that it needs. */
export function useTemplateActions() {
  const { t } = useI18n()
  const operations = useOperations()
  /** Not while it is only just going on or off. */
  const idle = (row: Template) => !templateState(row, operations.running).busy
  const on = (row: Template) => (row.status === 'active' || row.power === 'paused') && idle(row)
  const off = (row: Template) => (row.status === 'inactive' || row.status === 'error') && idle(row)
  const router = useRouter()
  const { run } = useAction()
  const dialog = reactive<Record<TemplateDialog, boolean>>({
    create: false,
    save: false,
    copy: false,
    properties: false,
    images: false,
    download: false,
    history: false,
    hardware: false,
    discs: false,
    bus: false,
    firstStart: false,
  })
  const subject = shallowRef<Template>()

  function open(what: TemplateDialog | 'console', template?: Template): void {
    if (what === 'console') {
      openConsole(template!)
      return
    }
    subject.value = template
    dialog[what] = true
  }

  function openConsole({ uuid }: Template): Window | null {
    const { href } = router.resolve({ name: 'console', params: { kind: 'template', uuid } })
    return window.open(href, `carrel-${uuid}`)
  }

  async function edit(template: Template): Promise<void> {
    // Opened at the click itself: later a browser would take it for a pop-up. The console waits for the guest.
    const tab = openConsole(template)
    if (!(await run(() => templates.edit(template), { done: t('template.editStarted', { name: template.name }) })))
      tab?.close()
  }

  const power = (verb: TemplatePower, rows: Template[], ask?: Omit<Question, 'names'>) =>
    run(() => templates.power(verb, rows), ask && { ask: { ...ask, names: rows.map(({ name }) => name) } })

  const ask = (words: string) => ({ title: t(words), text: t(`${words}Text`), button: t(words) })

  const needs = 'templates.manage'
  const actions = computed<RowAction<Template>[]>(() => [
    {
      key: 'edit',
      needs,
      label: t('template.edit'),
      icon: EditPen,
      main: true,
      when: off,
      run: ([row]) => edit(row!),
    },
    {
      key: 'save',
      needs,
      label: t('template.save'),
      icon: FolderChecked,
      main: true,
      when: (row) => canSave(row) && idle(row),
      run: ([row]) => open('save', row),
    },
    {
      key: 'deploy',
      needs: 'desktops.manage',
      label: t('deskgroup.new'),
      icon: OfficeBuilding,
      // What was edited is saved first; three buttons and the screen's would not fit the row.
      main: (row) => !canSave(row),
      when: (row) => settled(row) && row.version > 0,
      run: ([row]) => router.push(making('desktop-groups', row!.uuid)),
    },
    {
      key: 'console',
      needs,
      label: t('console.open'),
      icon: Monitor,
      main: true,
      when: on,
      run: ([row]) => open('console', row),
    },
    {
      key: 'start',
      needs,
      label: t('power.start'),
      icon: VideoPlay,
      bulk: true,
      when: off,
      run: (rows) => power('start', rows),
    },
    {
      key: 'stop',
      needs,
      label: t('power.stop'),
      icon: SwitchButton,
      bulk: true,
      when: on,
      run: (rows) => power('stop', rows),
    },
    { key: 'reboot', needs, label: t('power.reboot'), icon: Refresh, when: on, run: (rows) => power('reboot', rows) },
    {
      key: 'hard_stop',
      needs,
      label: t('power.hard_stop'),
      icon: CircleClose,
      when: on,
      run: (rows) => power('hard_stop', rows, ask('power.hard_stop')),
    },
    {
      key: 'hard_reboot',
      needs,
      label: t('power.hard_reboot'),
      icon: Refresh,
      when: on,
      run: (rows) => power('hard_reboot', rows, ask('power.hard_reboot')),
    },
    {
      key: 'reset',
      needs,
      label: t('template.reset'),
      icon: RefreshLeft,
      when: on,
      run: (rows) => power('reset', rows, ask('template.reset')),
    },
    {
      key: 'properties',
      needs,
      label: t('template.properties'),
      icon: Setting,
      when: settled,
      divided: true,
      run: ([row]) => open('properties', row),
    },
    {
      key: 'hardware',
      needs,
      label: t('hardware.one'),
      icon: Cpu,
      when: settled,
      run: ([row]) => open('hardware', row),
    },
    {
      key: 'discs',
      needs,
      label: t('disc.many'),
      icon: Coin,
      when: settled,
      run: ([row]) => open('discs', row),
    },
    {
      key: 'first_start',
      needs,
      label: t('firstStart.script'),
      icon: MagicStick,
      when: settled,
      run: ([row]) => open('firstStart', row),
    },
    { key: 'history', label: t('version.history'), icon: Clock, run: ([row]) => open('history', row) },
    { key: 'images', label: t('template.images'), icon: Files, when: settled, run: ([row]) => open('images', row) },
    {
      key: 'copy',
      needs,
      label: t('template.copy'),
      icon: CopyDocument,
      when: settled,
      run: ([row]) => open('copy', row),
    },
    {
      key: 'download',
      needs,
      label: t('template.download'),
      icon: Download,
      when: settled,
      run: ([row]) => open('download', row),
    },
    {
      key: 'delete',
      needs,
      label: t('common.delete'),
      icon: Delete,
      danger: true,
      bulk: true,
      divided: true,
      when: settled,
      run: (rows) => {
        const names = rows.map(({ name }) => name)
        const question = {
          title: t('template.delete'),
          text: t('template.deleteText'),
          names,
          button: t('common.delete'),
        }
        return run(() => templates.remove(rows), { ask: question })
      },
    },
  ])

  return { actions, dialog, subject, open, power }
}
