import type { TemplateInput } from '@/api/teaching'
import type { BaseImage, Iso } from '@/api/types'
import { freeName } from '@/lib/names'

/** What the reader fills in. */
type Form = TemplateInput & { data_disks: { inx: number; size: number }[] }

const GROW_TO_GB = { windows: 50, other: 20 }

/** What a system comes from: a disk that has it, or a CD that installs it. */
export type Source = { kind: 'image'; of: BaseImage } | { kind: 'iso'; of: Iso }

/** What a new template starts with; everything is good enough to press Next. */
export function templateDefaults(source: Source | undefined, pool: string, taken: string[]): Form {
  const windows = /win/i.test(source?.of.os_type ?? '')
  const was = source?.kind === 'image' ? source.of : undefined
  const least = source?.kind === 'image' ? Math.ceil(source.of.virtual_size) : 0
  const disk = Math.max(least, windows ? GROW_TO_GB.windows : GROW_TO_GB.other)
  return {
    name: source ? freeName(source.of.name, taken) : '',
    desc: '',
    os_type: source?.of.os_type ?? '',
    classify: 1,
    pool_uuid: pool,
    network_uuid: '',
    subnet_uuid: '',
    bind_ip: '',
    // As the machine had that it was taken from.
    vcpu: was?.vcpu ?? 2,
    ram: was?.ram ?? (windows ? 4 : 2),
    system_disk: { image_id: source?.kind === 'image' ? source.of.uuid : undefined, size: disk },
    iso_uuid: source?.kind === 'iso' ? source.of.uuid : undefined,
    data_disks: [],
  }
}

/** The input as the document wants it: disks numbered, an empty address left out. */
export function templateBody({ bind_ip, data_disks, ...rest }: Form): TemplateInput {
  const disks = data_disks.map(({ size }, inx) => ({ inx, size }))
  return { ...rest, ...(bind_ip ? { bind_ip } : {}), data_disks: disks }
}
