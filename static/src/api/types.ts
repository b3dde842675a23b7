/**
 * Names for what the server answers and takes. The shapes are the OpenAPI document's: `npm run api` makes
 * schema.d.ts of docs/openapi.json.
 */
import type { Data, Row } from './http'
import type { components, paths } from './schema'

type Schemas = components['schemas']

export interface Named {
  uuid: string
  name: string
}

export type Permission = Schemas['Permission']
export type Topic = Schemas['Topic']

/** Events of the stream and their data. */
type Events = paths['/api/v1.0/events']['get']['responses'][200]['content']['text/event-stream']
export type News = { [E in keyof Events]: NonNullable<Events[E]> }

export type Session = Data<'/api/v1.0/session'>
export type Operation = Schemas['Operation']
export type OperationState = Schemas['OperationState']
export type OperationUnit = Schemas['OperationUnit']
export type DiskBus = Schemas['DiskBus']

export type Settings = Data<'/api/v1.0/settings'>
export type Statistic = Data<'/api/v1.0/index/get_resource_statistic/'>
export type LogEntry = Row<'/api/v1.0/index/get_operation_log/'>
export type TopData = Data<'/api/v1.0/index/get_top_data/', 'post'>

export type Pool = Row<'/api/v1.0/resource_mgr/resource_pools'>
export type Node = Row<'/api/v1.0/nodes'>
export type Nic = Node['network_interfaces'][number]
export type BaseImage = Row<'/api/v1.0/resource_mgr/resource_pools/{resource_pool_uuid}/base_images'>
export type Iso = Row<'/api/v1.0/resource_mgr/isos'>
export type DataNetwork = Row<'/api/v1.0/resource_mgr/data_networks'>
export type Subnet = Row<'/api/v1.0/resource_mgr/data_networks/{data_network_uuid}/sub_networks'>
export type VSwitch = Row<'/api/v1.0/resource_mgr/vswitchs'>

export type Template = Row<'/api/v1.0/education/template/'>
export type TemplateDisk = Template['devices'][number]
export type TemplateImage = Row<'/api/v1.0/education/template/image/'>
export type TemplateVersion = Data<'/api/v1.0/templates/{template_uuid}/versions'>[number]
/** What the agent in a desktop's guest says of it. */
export type Guest = Data<'/api/v1.0/desktops/{desktop_uuid}/guest'>
/** How a desktop's first start with its present system disk went. */
export type FirstStart = Data<'/api/v1.0/desktops/{desktop_uuid}/first-start'>
/** What desktops of a template run at their first start. */
export type StartScript = Data<'/api/v1.0/templates/{template_uuid}/first-start'>
/** What a desktop of a group gets by a pattern, or why it cannot. */
export type HostName = Data<'/api/v1.0/desktop-groups/{group_uuid}/host-names'>['desktops'][number]
/** Of each desktop of a group; 0 is no limit. */
export type Limits = Data<'/api/v1.0/desktop-groups/{group_uuid}/limits'>
export type Hardware = Data<'/api/v1.0/templates/{template_uuid}/hardware'>['hardware']
export type EducationGroup = Row<'/api/v1.0/education/group/'>
export type DesktopGroup = Row<'/api/v1.0/education/desktop/'>
export type Desktop = Row<'/api/v1.0/desktops'>
export type DesktopDetail = Data<'/api/v1.0/desktops/{desktop_uuid}'>
/** What a search found of one kind. */
export type Found = Data<'/api/v1.0/search'>[number]
export type Hit = Found['hits'][number]

export type User = Row<'/api/v1.0/identity/user'>
export type UserDetail = Data<'/api/v1.0/identity/own'>
export type Role = Row<'/api/v1.0/identity/role'>
export type ScopedRole = User['scoped_roles'][number]
export type UserGroup = Row<'/api/v1.0/identity/group'>
export type PermissionInfo = Data<'/api/v1.0/identity/permission'>[number]
export type ApiKey = Row<'/api/v1.0/identity/key'>
export type SessionInfo = Row<'/api/v1.0/identity/session'>
export type SecondFactor = Data<'/api/v1.0/identity/own/second_factor'>
export type SshKey = Data<'/api/v1.0/identity/own/ssh_key'>[number]
export type SshGrant = Row<'/api/v1.0/identity/ssh_grant'>
export type SshFound = Data<'/api/v1.0/identity/ssh_key'>
export type Policy = Data<'/api/v1.0/identity/policy'>
