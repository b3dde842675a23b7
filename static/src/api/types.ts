/**
 * What `/api/v1.0` answers. Shapes come from the server's OpenAPI document (`npm run api` generates them
 * from docs/openapi.json); this file gives them names.
 */
import type { paths } from './schema'

type Data<P extends keyof paths> = paths[P] extends {
  get: { responses: { 200: { content: { 'application/json': { data: infer D } } } } }
}
  ? D
  : never

/** A row of the list at a path. */
type Row<P extends keyof paths> = Data<P> extends { results: (infer R)[] } ? R : never

export interface Named {
  uuid: string
  name: string
}

export type Permission =
  | 'overview.view'
  | 'audit.view'
  | 'operations.view'
  | 'operations.cancel'
  | `${'nodes' | 'pools' | 'images' | 'networks' | 'templates' | 'groups' | 'desktops'}.${'view' | 'manage'}`
  | `${'users' | 'ssh-keys'}.${'view' | 'manage'}`
  | `${'roles' | 'settings'}.manage`
  | 'desktops.power'
  | 'desktops.console'
  | 'api.view'

/** An identity provider that people may sign in at. */
export interface Provider {
  name: string
  /** Where the browser goes to. */
  url: string
}

export type Session = Omit<Data<'/api/v1.0/session'>, 'permissions'> & {
  permissions: Permission[]
  sign_in?: { oidc?: Provider | null }
}

export type OperationState =
  'scheduled' | 'queued' | 'running' | 'undoing' | 'succeeded' | 'partly' | 'failed' | 'cancelled'
export type Operation = Omit<Row<'/api/v1.0/operations'>, 'state'> & { state: OperationState }

export type Statistic = Data<'/api/v1.0/index/get_resource_statistic/'>
export type LogEntry = Row<'/api/v1.0/index/get_operation_log/'>

/** Tuples, as the document has them: a node's name and its figures. */
export interface TopData {
  utc: number
  cpu_util: [string, string][]
  memory_util: [string, string][]
  /** Share, total bytes, used bytes. */
  disk_util: [string, string, number, number][]
  /** Bytes per second: mean, peak. */
  nic_util: [string, number, number][]
}

export type Pool = Row<'/api/v1.0/resource_mgr/resource_pools'>
export type Node = Row<'/api/v1.0/resource_mgr/controller_nodes'>
export type Nic = Node['network_interfaces'][number]
export type BaseImage = Row<'/api/v1.0/resource_mgr/resource_pools/{resource_pool_uuid}/base_images'>
export type DataNetwork = Row<'/api/v1.0/resource_mgr/data_networks'>
export type Subnet = Row<'/api/v1.0/resource_mgr/data_networks/{data_network_uuid}/sub_networks'>
export type VSwitch = Row<'/api/v1.0/resource_mgr/vswitchs'>
export type Uplink = VSwitch['uplinks'][number]

export type Template = Row<'/api/v1.0/education/template/'>
export type TemplateDisk = Template['devices'][number]
export type TemplateImage = Row<'/api/v1.0/education/template/image/'>
export type EducationGroup = Row<'/api/v1.0/education/group/'>
export type DesktopGroup = Row<'/api/v1.0/education/desktop/'>
export type Desktop = Row<'/api/v1.0/education/instance/'>

export type User = Row<'/api/v1.0/identity/user'>
export type UserDetail = Data<'/api/v1.0/identity/own'>
export type Membership = UserDetail['groups'][number]
export type Role = Row<'/api/v1.0/identity/role'>
export type UserGroup = Row<'/api/v1.0/identity/group'>
export type PermissionInfo = Data<'/api/v1.0/identity/permission'>[number]
export type ApiKey = Row<'/api/v1.0/identity/key'>
export type SessionInfo = Row<'/api/v1.0/identity/session'>
export type SshKey = Data<'/api/v1.0/identity/own/ssh_key'>[number]
export type SshGrant = Row<'/api/v1.0/identity/ssh_grant'>
export type SshFound = Data<'/api/v1.0/identity/ssh_key'>
export type Policy = Data<'/api/v1.0/identity/policy'>

/** A disk of a template that grows (`uuid`), or one to be added (`inx`). */
export type DiskChange = { uuid: string; size: number } | { inx: number; size: number }
