import type { FormRules } from 'element-plus'
import type { SubnetInput } from '@/api/resources'
import { address, named, netmask, rangeEnd } from '@/lib/rules'

export const emptySubnet = (): Required<SubnetInput> => ({
  name: 'subnet1',
  start_ip: '',
  end_ip: '',
  netmask: '255.255.255.0',
  gateway: '',
  dns1: '',
  dns2: '',
})

/** Rules of the fields that `SubnetFields` shows; `path` is where they stand in the form's model. */
export function subnetRules(input: SubnetInput, path = ''): FormRules {
  return {
    [`${path}name`]: named(),
    [`${path}gateway`]: address(),
    [`${path}netmask`]: netmask(),
    [`${path}start_ip`]: address(),
    [`${path}end_ip`]: rangeEnd(() => input.start_ip),
    [`${path}dns1`]: address(),
    [`${path}dns2`]: address(true),
  }
}

/** An empty second name server is left out. */
export const subnetBody = ({ dns2, ...rest }: SubnetInput): SubnetInput => (dns2 ? { ...rest, dns2 } : rest)
