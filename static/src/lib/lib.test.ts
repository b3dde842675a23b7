import { describe, expect, test } from 'vitest'
import type { PermissionInfo, Role, UserDetail, UserGroup } from '@/api/types'
import { agentName } from './agent'
import { isNetmask, rangeSize, suggestRange } from './address'
import { amount, bytes, duration, gigabytes, hours, moment, percent } from './format'
import { desktopNames, freeName, preview } from './names'
import { guessOsType, nameOfFile } from './osType'
import { desktopReason, desktopState, templateState } from './state'
import { randomPassword } from './password'
import { byArea, sourcesOf } from './permissions'
import { isOffered } from './rowAction'
import { withScopes } from './scopes'

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
  const off = { uuid: 'a', status: 'inactive', power: 'off' }

  test('a template that is only just started is not off', () => {
    expect(templateState(off, [{ kind: 'template-edit', subject: 'a' }])).toMatchObject({ key: 'starting', busy: true })
    expect(templateState(off, [{ kind: 'template-edit', subject: 'b' }])).toMatchObject({ key: 'off' })
    expect(templateState(off, [{ kind: 'template-flatten', subject: 'a' }])).toMatchObject({ key: 'off' })
  })

  test('a desktop that something is done with shows it', () => {
    const desktop = { status: 'inactive', state: 'ready', power: 'off' }
    expect(desktopState({ ...desktop, working: 'Start desktops' }).busy).toBe(true)
    expect(desktopState(desktop).busy).toBeUndefined()
    expect(desktopState({ ...desktop, stopping: true })).toMatchObject({ key: 'stopping', busy: true })
  })

  test('a desktop that shuts down with others says so, not that it runs, and does not name the others', () => {
    const desktop = { status: 'active', state: 'ready', power: 'running', working: 'Shut down desktops: PC002 (+1)' }
    const stopping = { ...desktop, working_kind: 'desktops-stop' }
    expect(desktopState(stopping)).toMatchObject({ key: 'stopping', busy: true })
    expect(desktopReason(stopping)).toBe('')
    expect(desktopState({ ...desktop, working_kind: 'desktops-hard-reboot' }).key).toBe('restarting')
    // Of other work there is no word for the state.
    const changed = { ...desktop, working: 'Change desktop group "pc"', working_kind: 'desktop-group-restore' }
    expect(desktopState(changed)).toMatchObject({ key: 'running', busy: true })
    expect(desktopReason(changed)).toBe(changed.working)
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

  test('how much is done is told in the unit that the operation names', () => {
    expect(amount(3, 40, 'items', 'en')).toBe('3 / 40')
    expect(amount(2_000_000, 3_000_000, 'items', 'en')).toBe('2000000 / 3000000')
    expect(amount(1024 ** 3, 3 * 1024 ** 3, 'bytes', 'en')).toBe('1 GB / 3 GB')
    expect(amount(512, 4096, 'bytes', 'en')).toBe('512 B / 4 KB')
    expect(amount(37, 100, 'none', 'en')).toBe('')
  })

  test('gigabytes are rounded', () => {
    expect([0.080078125, 2, 1.5].map(gigabytes)).toEqual([0.08, 2, 1.5])
  })

  test('times', () => {
    expect(moment('2020-4-9 5:48:15')).toBe('2020-04-09 05:48:15')
    expect(moment(null)).toBe('')
    expect(hours(11220)).toBe('3:07')
    expect(duration('2020-04-09 05:48:15', '2020-04-09 05:48:22')).toBe('0:07')
    expect(duration('2020-04-09 23:59:57', '2020-04-10 01:02:00')).toBe('1:02:03')
  })
})

describe('states', () => {
  test('say of paused machines that they are paused, not that something is wrong', () => {
    expect(templateState({ uuid: 'a', status: 'error', power: 'paused' }, []).key).toBe('paused')
    expect(desktopState({ status: 'error', power: 'paused', state: 'ready' }).key).toBe('paused')
    expect(templateState({ uuid: 'a', status: 'error', power: 'crashed' }, []).key).toBe('error')
    expect(templateState({ uuid: 'a', status: 'updating', power: 'paused' }, []).key).toBe('updating')
  })
})

describe('permissions', () => {
  // a word of a newer server too
  const info = (name: string) => ({ name, code: 1, description: name, document_001: null }) as PermissionInfo

  test('stand in their area, those that are not known yet at the end', () => {
    const areas = byArea(['new-thing.view', 'users.view', 'templates.view', 'users.manage'].map(info))
    expect(areas.map(({ key, permissions }) => [key, permissions.map(({ name }) => name)])).toEqual([
      ['teaching', ['templates.view']],
      ['people', ['users.view', 'users.manage']],
      ['other', ['new-thing.view']],
    ])
  })

  test('come from roles, groups and the user alone', () => {
    const user = { roles: ['a', 'b'], groups: [{ id: 7, name: 'g', primary: true }], granted: ['users.view'] }
    const roles = [
      { code: 'a', permissions: ['users.view'] },
      { code: 'b', permissions: ['nodes.view'] },
      { code: 'c', permissions: ['users.view'] },
    ]
    const groups = [
      { id: 7, name: 'g', permissions: ['users.view'] },
      { id: 8, name: 'h', permissions: ['users.view'] },
    ]
    expect(sourcesOf('users.view', user as UserDetail, roles as Role[], groups as UserGroup[])).toEqual([
      { kind: 'role', name: 'a' },
      { kind: 'group', name: 'g' },
      { kind: 'granted' },
    ])
  })
})

describe('passwords that are made up', () => {
  test('are long, easy to read, and never the same', () => {
    const made = Array.from({ length: 50 }, randomPassword)
    for (const one of made) expect(one).toMatch(/^([a-km-np-zA-HJ-NP-Z2-9]{4}-){3}[a-km-np-zA-HJ-NP-Z2-9]{4}$/)
    expect(new Set(made).size).toBe(made.length)
  })
})

describe('browsers and programs', () => {
  test('are named in two words', () => {
    const edge = 'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0'
    expect(agentName(edge)).toBe('Edge · Windows')
    expect(agentName('curl/8.5.0')).toBe('curl/8.5.0')
    expect(agentName('')).toBe('')
  })
})

describe('actions of a row', () => {
  const rights = { mayEverywhere: () => false, mayIn: (_: string, group?: string | null) => group === 'ours' }
  const action = { key: 'start', label: '', run: () => {}, needs: 'desktops.power' as const }
  const rows = [{ group: 'ours' }, { group: 'theirs' }]

  test('are offered where the permission is held', () => {
    const within = ({ group }: { group: string }) => group
    expect(rows.map((row) => isOffered({ ...action, within }, row, rights))).toEqual([true, false])
    expect(rows.map((row) => isOffered(action, row, rights))).toEqual([false, false])
    expect(rows.map((row) => isOffered({ ...action, needs: undefined }, row, rights))).toEqual([true, true])
    const when = () => false
    expect(isOffered({ ...action, within, when }, rows[0]!, rights)).toBe(false)
  })
})

describe('roles', () => {
  test('hold everywhere unless they are given for education groups', () => {
    const scopes = { teacher: ['a', 'b'], operator: [], gone: ['c'] }
    expect(withScopes(['normal', 'operator', 'teacher'], scopes)).toEqual({
      roles: ['normal', 'operator'],
      scoped_roles: [
        { role: 'teacher', group_uuid: 'a' },
        { role: 'teacher', group_uuid: 'b' },
      ],
    })
  })
})
