import { i18n } from '@/i18n'

/** What ends what a guest does. */
export type Interruption = 'stop' | 'reboot' | 'hard_stop' | 'hard_reboot'

/** The words in which it is asked whether a desktop shall be interrupted; `loses` says what is lost in any case. */
export function interruption(verb: Interruption, loses: string) {
  const { t } = i18n.global
  const button = t(`power.${verb}`)
  const isHard = verb === 'hard_stop' || verb === 'hard_reboot'
  return isHard
    ? { title: button, text: `${t(`power.${verb}Text`)} ${loses}`, button }
    : { title: t(`desktop.${verb}`), text: `${t('power.asksText')} ${loses}`, button }
}
