import type { Hardware } from '@/api/types'

type Choice = 'firmware' | 'chipset' | 'disk_bus' | 'nic_model' | 'video' | 'sound' | 'clock' | 'topology' | 'usb'

/** The words of each choice, in the order in which they are offered. */
export const choices: { key: Choice; words: string[] }[] = [
  { key: 'firmware', words: ['bios', 'uefi', 'uefi-secure'] },
  { key: 'chipset', words: ['q35', 'i440fx'] },
  { key: 'disk_bus', words: ['virtio', 'virtio-scsi', 'sata', 'ide'] },
  { key: 'nic_model', words: ['virtio', 'e1000e', 'e1000', 'rtl8139'] },
  { key: 'video', words: ['virtio', 'qxl', 'vga'] },
  { key: 'sound', words: ['ich9', 'ich6', 'ac97', 'none'] },
  { key: 'clock', words: ['utc', 'localtime'] },
  { key: 'topology', words: ['one-socket', 'sockets'] },
  { key: 'usb', words: ['xhci', 'ehci'] },
]

export const devices = ['disk', 'cd', 'network']

/** What stands in the form until the server has answered. */
export const emptyHardware = (): Hardware => ({
  firmware: 'bios',
  tpm: false,
  chipset: 'q35',
  disk_bus: 'virtio',
  nic_model: 'virtio',
  video: 'vga',
  video_memory: null,
  resolution: null,
  sound: 'none',
  clipboard: false,
  seed: false,
  clock: 'utc',
  hyperv: false,
  topology: 'one-socket',
  cpu_model: null,
  cpu_features: [],
  usb: 'xhci',
  boot: ['disk'],
})

export const sameHardware = (one: Hardware, other: Hardware): boolean =>
  Object.keys(one).every(
    (key) => JSON.stringify(one[key as keyof Hardware]) === JSON.stringify(other[key as keyof Hardware]),
  )
