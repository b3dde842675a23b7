/** Rows and answers of `/api/v1.0`, as far as the console reads them. */

export interface Named {
  uuid: string
  name: string
}

/** Why something is not running or not ready, and what would mend it. */
export interface Explained {
  reason?: string | null
}

export type Permission =
  | 'overview.view'
  | 'audit.view'
  | 'operations.view'
  | 'operations.cancel'
  | `${'nodes' | 'pools' | 'images' | 'networks' | 'templates' | 'groups' | 'desktops'}.${'view' | 'manage'}`
  | 'desktops.power'
  | 'desktops.console'
  | 'api.view'

export interface Session {
  user: { uuid: string; name: string; full_name?: string; roles: string[] } | null
  permissions: Permission[]
  setup_needed: boolean
  version: string
}

export type OperationState = 'scheduled' | 'queued' | 'running' | 'undoing' | 'succeeded' | 'failed' | 'cancelled'

export interface Operation {
  uuid: string
  kind: string
  title: string
  /** Uuid of what it works on. */
  subject: string
  subject_name: string
  state: OperationState
  done: number
  total: number
  percent: number
  error: string | null
  /** Things of a batch that failed, each with its reason. */
  failed: { uuid: string; name: string; reason: string }[]
  owner: string
  /** When a scheduled one begins. */
  run_at: string | null
  created_at: string
  finished_at: string | null
}

export interface Pool extends Named, Explained {
  desc: string | null
  host_count: number
  /** 0 ready, 1 copying, 2 faulty. */
  status: number
  default: number
  created_at: string
}

export interface Storage {
  uuid: string
  path: string
  used: number
  total: number
  usage: string
  role: string
}

export interface IpInfo {
  uuid: string
  ip: string
  netmask: string
  gateway?: string | null
  dns1?: string | null
  dns2?: string | null
  is_manage: number
  is_image: number
}

export interface Nic {
  uuid: string
  nic: string
  mac: string
  speed: number
  status: number
  ip_info: IpInfo[]
}

export interface Node extends Named, Explained {
  hostname: string
  ip: string
  status: string
  type: number
  total_mem: number
  running_mem: number
  usage_mem: string | number
  total_vcpus: number
  running_vcpus: number
  usage_vcpu: string | number
  total_sys: number
  used_sys: number
  usage_sys: string
  server_version_info: string | null
  cpu_info: string | null
  mem_info: string | null
  gpu_info: string | null
  total_vm: number
  running_vm: number
  network_interfaces: Nic[]
  storages: Storage[]
}

export interface ImageCopy extends Explained {
  host_name: string
  ipaddr: string
  host_uuid: string
  progress: number
  /** 0 ready, 1 copying, 2 faulty. */
  status: number
}

export interface BaseImage extends Named, Explained {
  os_type: string
  os_type_simple: string
  md5_sum: string
  path: string
  /** GB on disk, as text. */
  size: string
  /** GB that a guest sees. */
  virtual_size: number
  count: number
  publish_count: number
  status: number
  detail: ImageCopy[]
}

export interface DataNetwork extends Named, Explained {
  desc?: string | null
  subnet_count: number
  switch: string
  switch_name: string
  switch_type: string
  vlan_id: number | null
  default: number
}

export interface Subnet extends Named {
  netmask: string
  gateway: string
  cidr: string
  start_ip: string
  end_ip: string
  dns1: string
  dns2: string | null
  network: string
}

export interface Uplink {
  node_uuid: string
  nic_uuid: string
  node_name?: string
  nic_name?: string
}

export interface VSwitch extends Named, Explained {
  type: string
  desc: string | null
  created_at: string
}

export interface Disk {
  uuid?: string
  type?: 'system' | 'data'
  device_name?: string
  boot_index?: number
  /** Only of a disk to be added. */
  inx?: number
  size: number
  used?: number
}

export interface Template extends Named, Explained {
  desc: string | null
  host_ip: string
  host_name: string
  pool_name: string
  pool_uuid: string
  network_name: string
  network_uuid: string
  subnet_name: string
  subnet_uuid: string
  subnet_start_ip: string
  subnet_end_ip: string
  bind_ip: string
  vcpu: number
  ram: number
  os_type: string
  os_type_simple: string
  owner: string
  desktop_count: number
  instance_count: number
  status: string
  updated_time: string | null
  created_at: string
  devices: Disk[]
  /** Newest saved version. */
  version: number
  /** Started for editing and not saved since. */
  editing: boolean
  /** Started since the last save: there may be something to save. */
  changed: boolean
  image_name: string
}

export interface TemplateImage extends Named {
  ip: string
  storages: {
    role: number
    path: string
    image_id: string
    bind_desktop: boolean
    status: number
    reason: string | null
  }[]
}

export interface EducationGroup extends Named, Explained {
  desc: string | null
  network: string
  network_name: string
  subnet: string
  subnet_name: string
  subnet_start_ip: string
  subnet_end_ip: string
  start_ip: string
  end_ip: string
  terminal_count: number
  desktop_count: number
  instance_count: number
}

export interface DesktopGroup extends Named, Explained {
  owner: string
  group: string
  group_name: string
  template: string
  template_name: string
  template_status: string
  /** creating, ready or deleting. */
  state: string
  subnet_name: string
  pool: string
  pool_name: string
  network: string
  network_name: string
  sys_restore: number
  data_restore: number
  instance_num: number
  active_count: number
  inactive_count: number
  active: boolean
  vcpu: number
  ram: number
  os_type: string
  prefix: string
  postfix: number
  order_num: number
  created_at: string
  devices: Disk[]
}

export interface Desktop extends Named, Explained {
  ipaddr: string
  host_name: string
  /** active, inactive or error. */
  status: string
  /** off, running, paused or crashed. */
  power: string
  /** creating, ready or deleting. */
  state: string
  /** What is being done with it, in words. */
  working: string | null
  /** Its group. */
  desktop_uuid: string
  desktop_name: string
  seat: number
  up_time: string | null
  /** Seconds. */
  active_time: number | string
  message: string | null
  user_name: string | null
}

export interface LogEntry {
  id: number
  created_at: string
  user_name: string
  user_ip: string | null
  content: string
  result: string
  succeeded: boolean
  module: string
  request_id: string
}

export interface Statistic {
  online_node_cnt: number
  sum_node_cnt: number
  online_instance_cnt: number
  sum_instance_cnt: number
  online_terminal_cnt: number
  sum_terminal_cnt: number
  resource_pool_cnt: number
  alarm_node_cnt: number
  alarm_records_cnt: number
}

export interface TopData {
  utc: number
  cpu_util: [string, string][]
  memory_util: [string, string][]
  disk_util: [string, string, number, number][]
  nic_util: [string, number, number][]
}
