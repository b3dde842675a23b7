import { ElNotification, type NotificationParamsTyped } from 'element-plus'

/** In pixels: notices stand below the bar of the page, whose buttons are to be used meanwhile. */
export const BELOW_BAR = 54

type Notice = Exclude<NotificationParamsTyped, string | undefined>

/** Says something that is to be read, for a while. */
export function notify(type: 'warning' | 'error', notice: Notice): void {
  ElNotification[type]({ title: '', duration: 12_000, offset: BELOW_BAR, ...(notice as object) } as Notice)
}
