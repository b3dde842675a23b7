import { onChange, useLive } from '@/stores/live'
import { useOperations } from '@/stores/operations'
import { useSession } from '@/stores/session'
import { showError } from './useAction'

/** Opens the event stream for a page, and keeps the list of long work complete: rows that change come by themselves. */
export function useLiveOperations() {
  const operations = useOperations()
  const { may } = useSession()
  onChange(['operations'], () => may('operations.view') && operations.refresh().catch(showError))
  useLive().connect()
  return operations
}
