import { useLocalStorage } from '@vueuse/core'
import { computed, watch } from 'vue'
import { pools } from '@/api/resources'
import type { Pool } from '@/api/types'
import { useOptions } from './useOptions'

/** The pool that the reader works in: the one chosen last, else the default one. */
export function usePool() {
  const options = useOptions<Pool>(pools.list)
  const chosen = useLocalStorage('carrel.pool', '')
  watch(options.rows, (rows) => {
    if (rows.length && !rows.some(({ uuid }) => uuid === chosen.value)) {
      chosen.value = (rows.find((pool) => pool.default) ?? rows[0]!).uuid
    }
  })
  const pool = computed({
    get: () => (options.rows.value.some(({ uuid }) => uuid === chosen.value) ? chosen.value : ''),
    set: (uuid: string) => (chosen.value = uuid),
  })
  return { pool, rows: options.rows }
}
