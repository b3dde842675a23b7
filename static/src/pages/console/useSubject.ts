import { computed, shallowRef, watch } from 'vue'
import { ApiError } from '@/api/http'
import { desktops, templates, type ConsoleKind, type DesktopPower } from '@/api/teaching'
import type { Desktop, Template } from '@/api/types'
import { showError } from '@/composables/useAction'
import { inTurn } from '@/lib/inTurn'
import { desktopState, powerState, templateState } from '@/lib/state'
import { onChange } from '@/stores/live'
import { useOperations } from '@/stores/operations'

/** The desktop or template that a console tab belongs to, kept fresh by events. */
export function useSubject(kind: ConsoleKind, uuid: string) {
  const desktop = shallowRef<Desktop>()
  const template = shallowRef<Template>()
  const row = computed(() => desktop.value ?? template.value)
  const gone = shallowRef<ApiError>()
  const operations = useOperations()

  const read = inTurn(async () => {
    try {
      if (kind === 'desktop') desktop.value = await desktops.one(uuid)
      else template.value = await templates.one(uuid)
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) gone.value = error
      else showError(error)
    }
  })

  const state = computed(() => {
    if (desktop.value) return desktopState(desktop.value)
    return template.value ? templateState(template.value, operations.running) : powerState('inactive')
  })
  const isOn = computed(() => row.value?.status === 'active' || row.value?.power === 'paused')
  const why = computed(() => desktop.value?.working || row.value?.reason || '')

  const power = (verb: DesktopPower) =>
    desktop.value ? desktops.power(verb, [desktop.value]) : templates.power(verb, [template.value!])

  onChange([kind === 'desktop' ? 'desktops' : 'templates'], read)
  // What is being done to it is told by its row: again when an operation begins or ends, not while it goes on.
  const open = computed(() => operations.running.map(({ uuid }) => uuid).join())
  watch(open, read)
  return { row, template, gone, state, isOn, why, read, power }
}
