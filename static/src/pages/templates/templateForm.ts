import type { TemplateInput } from '@/api/teaching'
import type { BaseImage } from '@/api/types'
import { freeName } from '@/lib/names'

/** What the reader fills in. */
type Form = TemplateInput & { data_disks: { inx: number; size: number }[] }

const GROW_TO_GB = { windows: 50, other: 20 }

/** What a new template starts with; everything is good enough to press Next. */
export function templateDefaults(image: BaseImage | undefined, pool: string, taken: string[]): Form {
  const windows = /win/i.test(image?.os_type ?? '')
  const disk = Math.max(Math.ceil(image?.virtual_size ?? 0), windows ? GROW_TO_GB.windows : GROW_TO_GB.other)
  return {
    name: image ? freeName(image.name, taken) : '',
    desc: '',
    os_type: image?.os_type ?? '',
    classify: 1,
    pool_uuid: pool,
    network_uuid: '',
    subnet_uuid: '',
    bind_ip: '',
    vcpu: 2,
    ram: windows ? 4 : 2,
    system_disk: { image_id: image?.uuid ?? '', size: disk },
    data_disks: [],
  }
}

/** The input as the document wants it: disks numbered, an empty address left out. */
export function templateBody({ bind_ip, data_disks, ...rest }: Form): TemplateInput {
  const disks = data_disks.map(({ size }, inx) => ({ inx, size }))
  return { ...rest, ...(bind_ip ? { bind_ip } : {}), data_disks: disks }
}
