import { describe, expect, test } from 'vitest'
import { isNetmask, rangeSize, suggestRange } from './address'
import { bytes, hours, moment, percent } from './format'
import { desktopNames, freeName, preview } from './names'
import { guessOsType, nameOfFile } from './osType'
import { desktopState, templateState } from './state'

describe('names', () => {
  test('are numbered with leading zeros from the start on', () => {
    expect(desktopNames('pc', 3, 9, 3)).toEqual(['pc009', 'pc010', 'pc011'])
    expect(desktopNames('pc', 1, 9, 2)).toEqual(['pc9', 'pc10'])
  })

  test('show first and last', () => {
    expect(preview(desktopNames('pc', 2, 1, 30))).toBe('pc01, pc02, pc03 … pc30')
    expect(preview(['a', 'b'])).toBe('a, b')
  })

  test('do not repeat', () => {
    expect(freeName('win', ['win', 'win-2'])).toBe('win-3')
  })
})

describe('addresses', () => {
  test('are counted with both ends', () => {
    expect(rangeSize('192.168.1.250', '192.168.2.4')).toBe(11)
    expect(rangeSize('192.168.1.2', '192.168.1.1')).toBe(0)
    expect(rangeSize('192.168.1', '192.168.1.1')).toBe(0)
  })

  test('a netmask has its ones in front', () => {
    expect(isNetmask('255.255.252.0')).toBe(true)
    expect(isNetmask('255.0.255.0')).toBe(false)
  })

  test('a range follows from the gateway', () => {
    expect(suggestRange('10.0.3.1', '255.255.255.0')).toEqual({ start: '10.0.3.10', end: '10.0.3.200' })
    expect(suggestRange('10.0.3.1', '255.255.0.0')).toBeUndefined()
  })
})

describe('image files', () => {
  test('say their system and name', () => {
    expect(guessOsType('Win7-x86.qcow2')).toBe('Windows 7 bit 32')
    expect(guessOsType('windows_10.vmdk')).toBe('Windows 10 bit 64')
    expect(guessOsType('debian-12.raw')).toBe('Linux')
    expect(nameOfFile('debian-12.QCOW2')).toBe('debian-12')
  })
})

describe('states', () => {
  const off = { uuid: 'a', status: 'inactive' }

  test('a template that is only just started is not off', () => {
    expect(templateState(off, [{ kind: 'template-edit', subject: 'a' }])).toMatchObject({ key: 'starting', busy: true })
    expect(templateState(off, [{ kind: 'template-edit', subject: 'b' }])).toMatchObject({ key: 'off' })
    expect(templateState(off, [{ kind: 'template-flatten', subject: 'a' }])).toMatchObject({ key: 'off' })
  })

  test('a desktop that something is done with shows it', () => {
    const desktop = { status: 'inactive', state: 'ready', power: 'off' }
    expect(desktopState({ ...desktop, working: 'Start desktops' }).busy).toBe(true)
    expect(desktopState(desktop).busy).toBeUndefined()
  })
})

describe('figures', () => {
  test('percentages stay within their bounds', () => {
    expect(percent('51.48')).toBe(51.5)
    expect(percent(null)).toBe(0)
    expect(percent(250)).toBe(100)
  })

  test('sizes are in the unit of the server', () => {
    expect(bytes(3 * 1024 ** 3, 'en')).toBe('3 GB')
  })

  test('times', () => {
    expect(moment('2020-4-9 5:48:15')).toBe('2020-04-09 05:48:15')
    expect(moment(null)).toBe('')
    expect(hours(11220)).toBe('3:07')
  })
})
