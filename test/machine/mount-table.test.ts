import t from 'tap'
import { isOurs, mountedAt, mountTable, parseMountTable } from '../../src/machine/mount-table.js'

const TABLE = `22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
90 28 7:0 / /mnt/a\\040b rw,relatime shared:40 - fuseblk.fakedax /dev/loop0 rw,user_id=0
91 28 0:51 / /mnt/c rw - fuse.fakedax /home/m\\303\\274ller\\134disk.img ro,user_id=1000,group_id=7
92 91 0:52 / /mnt/c rw - tmpfs tmpfs rw

`

t.test('parseMountTable: escapes and optional fields -> plain paths', async (t) => {
  t.same(parseMountTable(TABLE).slice(1, 3), [
    { mountpoint: '/mnt/a b', type: 'fuseblk.fakedax', source: '/dev/loop0', owner: 0, readOnly: false },
    {
      mountpoint: '/mnt/c',
      type: 'fuse.fakedax',
      source: '/home/müller\\disk.img',
      owner: 1000,
      readOnly: true,
    },
  ])
})

t.test('parseMountTable: no user_id -> no owner', async (t) => {
  t.match(parseMountTable(TABLE)[0], { type: 'sysfs', owner: undefined, readOnly: false })
})

t.test('mountedAt: two mounts at one place -> the later', async (t) => {
  const table = parseMountTable(TABLE)
  t.equal(mountedAt('/mnt/c', table)?.type, 'tmpfs')
  t.equal(mountedAt('/mnt', table), undefined)
  t.same(table.map(isOurs), [false, true, true, false])
})

t.test('mountTable: this system -> has a root', async (t) => {
  t.ok(mountedAt('/', mountTable()))
})
