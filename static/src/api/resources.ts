/** Pools, nodes, base images, ISOs and networks. */
import { call, get, post, put, remove, type Body, type Query } from './http'

const base = '/api/v1.0/resource_mgr'

const poolsPath = `${base}/resource_pools` as const
const poolPath = `${poolsPath}/{resource_pool_uuid}` as const

export const pools = {
  list: (query: Query) => get(poolsPath, query),
  create: (input: Body<typeof poolsPath, 'post'>) => post(poolsPath, input),
  edit: (uuid: string, input: Body<typeof poolPath, 'put'>) => put(poolPath, input, { resource_pool_uuid: uuid }),
  remove: (uuids: string[]) => remove(poolsPath, { uuids }),
  nodes: (uuid: string, query: Query) => get(`${poolPath}/nodes`, query, { resource_pool_uuid: uuid }),
}

export const nodes = {
  list: (query: Query) => get('/api/v1.0/nodes', query),
  rename: (uuid: string, name: string) =>
    put(`${base}/controller_nodes/{controller_node_uuid}`, { name }, { controller_node_uuid: uuid }),
}

const imagesPath = `${poolPath}/base_images` as const
const imagePath = `${imagesPath}/{base_image_uuid}` as const

const imageOf = (pool: string, uuid: string) => ({ resource_pool_uuid: pool, base_image_uuid: uuid })

export const images = {
  list: (pool: string, query: Query) => get(imagesPath, query, { resource_pool_uuid: pool }),
  edit: (pool: string, uuid: string, input: Body<typeof imagePath, 'put'>) =>
    put(imagePath, input, imageOf(pool, uuid)),
  resync: (pool: string, uuid: string, node: string) =>
    post(`${imagePath}/resync`, { node_uuid: node }, imageOf(pool, uuid)),
  remove: (pool: string, uuids: string[]) => remove(imagesPath, { uuids }, { resource_pool_uuid: pool }),
}

const isosPath = `${base}/isos` as const
const isoPath = `${isosPath}/{iso_uuid}` as const

export const isos = {
  list: (query: Query) => get(isosPath, query),
  edit: (uuid: string, input: Body<typeof isoPath, 'put'>) => put(isoPath, input, { iso_uuid: uuid }),
  /** Gives a URL that downloads it once. */
  download: (uuid: string) => call('post', '/api/v1.0/isos/{iso_uuid}/download', { body: {} }, { iso_uuid: uuid }),
  remove: (uuids: string[]) => remove(isosPath, { uuids }),
}

const networksPath = `${base}/data_networks` as const
const networkPath = `${networksPath}/{data_network_uuid}` as const
const subnetsPath = `${networkPath}/sub_networks` as const
const subnetPath = `${subnetsPath}/{sub_network_uuid}` as const
export type SubnetInput = Body<typeof subnetsPath, 'post'>

export const networks = {
  list: (query: Query) => get(networksPath, query),
  create: (input: Body<typeof networksPath, 'post'>) => post(networksPath, input),
  edit: (uuid: string, input: Body<typeof networkPath, 'put'>) => put(networkPath, input, { data_network_uuid: uuid }),
  remove: (uuids: string[]) => remove(networksPath, { uuids }),
  subnets: (network: string, query: Query) => get(subnetsPath, query, { data_network_uuid: network }),
  createSubnet: (network: string, input: SubnetInput) => post(subnetsPath, input, { data_network_uuid: network }),
  editSubnet: (network: string, uuid: string, input: Body<typeof subnetPath, 'put'>) =>
    put(subnetPath, input, { data_network_uuid: network, sub_network_uuid: uuid }),
  removeSubnets: (network: string, uuids: string[]) => remove(subnetsPath, { uuids }, { data_network_uuid: network }),
}

const switchesPath = `${base}/vswitchs` as const
const switchPath = `${switchesPath}/{vswitch_uuid}` as const

export const switches = {
  list: (query: Query) => get(switchesPath, query),
  create: (input: Body<typeof switchesPath, 'post'>) => post(switchesPath, input),
  edit: (uuid: string, input: Body<typeof switchPath, 'put'>) => put(switchPath, input, { vswitch_uuid: uuid }),
  remove: (uuids: string[]) => remove(switchesPath, { uuids }),
}
