import { CircleCheck, CircleClose, Delete, Edit, Iphone, Key, Select, Unlock } from '@element-plus/icons-vue'
import { computed } from 'vue'
import { useI18n } from 'vue-i18n'
import { users } from '@/api/people'
import type { User } from '@/api/types'
import { useAction } from '@/composables/useAction'
import type { RowAction } from '@/lib/rowAction'
import { useSession } from '@/stores/session'
import { lockOf } from './userState'

interface Dialogs {
  edit: (user: User) => void
  resetPassword: (user: User) => void
}

/** What can be done with users of the list. */
export function useUserActions(dialogs: Dialogs) {
  const { t } = useI18n()
  const session = useSession()
  const { run } = useAction()
  const isOther = ({ uuid }: User) => uuid !== session.current.user?.uuid
  const needs = 'users.manage' as const

  const remove = (rows: User[]) =>
    run(() => users.remove(rows.map(({ uuid }) => uuid)), {
      ask: {
        title: t('user.delete'),
        text: t('user.deleteText'),
        names: rows.map(({ name, full_name: full }) => (full ? `${name} (${full})` : name)),
        button: t('common.delete'),
      },
    })

  const disable = (user: User) =>
    run(() => users.edit(user.uuid, { enabled: false }), {
      ask: { title: t('user.disable'), text: t('user.disableText'), names: [user.name], button: t('user.disableDo') },
    })

  const removeFactor = (user: User) =>
    run(() => users.removeFactor(user.uuid), {
      ask: {
        title: t('user.removeFactorAsk'),
        text: t('user.removeFactorText'),
        names: [user.name],
        button: t('user.removeFactorDo'),
      },
    })

  return computed<RowAction<User>[]>(() => [
    {
      key: 'confirm',
      needs,
      label: t('user.confirm'),
      icon: Select,
      main: true,
      when: ({ awaits }) => awaits !== null,
      run: ([user]) => run(() => users.edit(user!.uuid, { confirmed: true }), { done: t('user.confirmed') }),
    },
    { key: 'edit', needs, label: t('common.edit'), icon: Edit, main: true, run: ([user]) => dialogs.edit(user!) },
    {
      key: 'password',
      needs,
      label: t('user.resetPassword'),
      icon: Key,
      // A directory or provider checks the passwords of the others.
      when: ({ source }) => source === 'local',
      run: ([user]) => dialogs.resetPassword(user!),
    },
    {
      key: 'unlock',
      needs,
      label: t('user.unlock'),
      icon: Unlock,
      when: (user) => Boolean(lockOf(user)),
      run: ([user]) => run(() => users.unlock(user!.uuid), { done: t('user.unlocked') }),
    },
    {
      key: 'factor',
      needs,
      label: t('user.removeFactor'),
      icon: Iphone,
      when: (user) => user.second_factor && isOther(user),
      run: ([user]) => removeFactor(user!),
    },
    {
      key: 'enable',
      needs,
      label: t('user.enable'),
      icon: CircleCheck,
      when: ({ enabled }) => !enabled,
      run: ([user]) => run(() => users.edit(user!.uuid, { enabled: true })),
    },
    {
      key: 'disable',
      needs,
      label: t('user.disableDo'),
      icon: CircleClose,
      when: (user) => user.enabled && isOther(user),
      run: ([user]) => disable(user!),
    },
    {
      key: 'delete',
      needs,
      label: t('common.delete'),
      icon: Delete,
      danger: true,
      divided: true,
      bulk: true,
      when: isOther,
      run: remove,
    },
  ])
}
