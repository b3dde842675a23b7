/** Pools, nodes, base images and networks. */
import { get, post, put, remove, type Page, type Query } from './http'
import type { BaseImage, DataNetwork, Node, Pool, Subnet, VSwitch } from './types'

const base = '/api/v1.0/resource_mgr'

export interface PoolInput {
  name: string
  desc: string
}

export const pools = {
  list: (query: Query) => get<Page<Pool>>(`${base}/resource_pools`, query),
  create: (input: PoolInput) => post(`${base}/resource_pools`, input),
  edit: (uuid: string, input: PoolInput) => put(`${base}/resource_pools/${uuid}`, input),
  remove: (uuids: string[]) => remove(`${base}/resource_pools`, { uuids }),
  nodes: (uuid: string, query: Query) => get<Page<Node>>(`${base}/resource_pools/${uuid}/nodes`, query),
}

export const nodes = {
  list: (query: Query) => get<Page<Node>>(`${base}/controller_nodes`, query),
  rename: (uuid: string, name: string) => put(`${base}/controller_nodes/${uuid}`, { name }),
}

export interface ImageInput {
  name: string
  os_type: string
}

const imagesOf = (pool: string) => `${base}/resource_pools/${pool}/base_images`

export const images = {
  list: (pool: string, query: Query) => get<Page<BaseImage>>(imagesOf(pool), query),
  /** Where the file goes, as multipart field `file`. */
  uploadUrl: imagesOf,
  edit: (pool: string, uuid: string, input: ImageInput) => put(`${imagesOf(pool)}/${uuid}`, input),
  resync: (pool: string, uuid: string, node: string) => post(`${imagesOf(pool)}/${uuid}/resync`, { node_uuid: node }),
  remove: (pool: string, uuids: string[]) => remove(imagesOf(pool), { uuids }),
}

export interface SubnetInput {
  name: string
  start_ip: string
  end_ip: string
  netmask: string
  gateway: string
  dns1: string
  dns2?: string
}

export interface NetworkInput {
  name: string
  switch_uuid: string
  vlan_id?: number
  subnet_info?: SubnetInput
}

const subnetsOf = (network: string) => `${base}/data_networks/${network}/sub_networks`

export const networks = {
  list: (query: Query) => get<Page<DataNetwork>>(`${base}/data_networks`, query),
  create: (input: NetworkInput) => post(`${base}/data_networks`, input),
  edit: (uuid: string, input: { name: string; vlan_id?: number }) => put(`${base}/data_networks/${uuid}`, input),
  remove: (uuids: string[]) => remove(`${base}/data_networks`, { uuids }),
  subnets: (network: string, query: Query) => get<Page<Subnet>>(subnetsOf(network), query),
  createSubnet: (network: string, input: SubnetInput) => post(subnetsOf(network), input),
  editSubnet: (network: string, uuid: string, input: SubnetInput) => put(`${subnetsOf(network)}/${uuid}`, input),
  removeSubnets: (network: string, uuids: string[]) => remove(subnetsOf(network), { uuids }),
}

export interface SwitchInput {
  name: string
  type: string
  desc: string
  uplinks: { node_uuid: string; nic_uuid: string }[]
}

export const switches = {
  list: (query: Query) => get<Page<VSwitch>>(`${base}/vswitchs`, query),
  create: (input: SwitchInput) => post(`${base}/vswitchs`, input),
  edit: (uuid: string, input: SwitchInput) => put(`${base}/vswitchs/${uuid}`, input),
  remove: (uuids: string[]) => remove(`${base}/vswitchs`, { uuids }),
}
