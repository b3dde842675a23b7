import ipaddr from 'ipaddr.js'

const number = (text: string): number =>
  ipaddr.IPv4.parse(text)
    .toByteArray()
    .reduce((sum, byte) => sum * 256 + byte, 0)

export const isAddress = (text: string): boolean => ipaddr.IPv4.isValidFourPartDecimal(text)

export const isNetmask = (text: string): boolean =>
  isAddress(text) && ipaddr.IPv4.parse(text).prefixLengthFromSubnetMask() !== null

/** How many addresses lie between two, both counted; 0 when they are no range. */
export function rangeSize(start: string, end: string): number {
  if (!isAddress(start) || !isAddress(end)) return 0
  return Math.max(0, number(end) - number(start) + 1)
}

/** The range of addresses that comes to mind for a network: from .10 to .200 of a /24. */
export function suggestRange(gateway: string, netmask: string): { start: string; end: string } | undefined {
  if (!isAddress(gateway) || netmask !== '255.255.255.0') return undefined
  const base = gateway.split('.').slice(0, 3).join('.')
  return { start: `${base}.10`, end: `${base}.200` }
}
