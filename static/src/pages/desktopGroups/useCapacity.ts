import { computed, shallowRef, watch, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { desktopGroups, type Capacity } from '@/api/teaching'
import { showError } from '@/composables/useAction'
import { gigabytes } from '@/lib/format'

export interface Plan {
  group_uuid: string
  template_uuid: string
  network_uuid: string
  subnet_uuid: string
  instance_num: number
  /** GiB of each desktop. */
  ram: number
}

/** How many machines of so much memory can be on at once. */
export const fitting = (nodes: { free_ram: number | null }[], ram: number): number =>
  nodes.reduce((sum, { free_ram: free }) => sum + Math.floor((free ?? 0) / ram), 0)

/** What stands against a plan, as it is made: asked of the server when what it is made of changes. */
export function useCapacity(plan: Plan, open: Ref<boolean>) {
  const { t } = useI18n()
  const capacity = shallowRef<Capacity>()
  const key = computed(() => {
    const { group_uuid, template_uuid, network_uuid, subnet_uuid } = plan
    return open.value && group_uuid && template_uuid && network_uuid && subnet_uuid
      ? { group_uuid, template_uuid, network_uuid, subnet_uuid }
      : undefined
  })

  watch(
    () => JSON.stringify(key.value),
    async () => {
      const asked = key.value
      capacity.value = undefined
      if (!asked) return
      try {
        const found = await desktopGroups.capacity(asked)
        if (JSON.stringify(asked) === JSON.stringify(key.value)) capacity.value = found
      } catch (error) {
        showError(error)
      }
    },
  )

  /** What makes it impossible. */
  const obstacle = computed(() => {
    const now = capacity.value
    if (!now) return ''
    if (now.obstacle) return now.obstacle
    const free = now.free_addresses
    if (plan.instance_num > free) return t('deskgroup.fewAddresses', { count: free })
    const largest = Math.max(0, ...(now.nodes ?? []).map(({ ram }) => ram))
    if (largest > 0 && plan.ram > largest) return t('deskgroup.largestNode', { ram: gigabytes(largest) })
    return ''
  })

  /** What makes it less than it seems. */
  const warning = computed(() => {
    const nodes = capacity.value?.nodes
    if (obstacle.value || !nodes?.some(({ free_ram: free }) => free !== null) || !plan.ram) return ''
    const count = fitting(nodes, plan.ram)
    if (count >= plan.instance_num) return ''
    const free = gigabytes(nodes.reduce((sum, { free_ram }) => sum + (free_ram ?? 0), 0))
    return t('deskgroup.littleMemory', { count, free, wanted: gigabytes(plan.instance_num * plan.ram) })
  })

  const free = computed(() => capacity.value?.free_addresses)
  return { obstacle, warning, free }
}
