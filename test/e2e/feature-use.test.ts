/** What features of the image mean to a program: limits of quotas, projects, and fast commits that are recovered. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { limited } from '../guest/ext4/quota-limits.js'
import { fakedax, ImageFile } from './mounted-image.js'
import { cannotMount } from './prerequisites.js'
import { execute } from './program.js'

t.setTimeout(120_000)
const skip = cannotMount()

const AS_USER = 'setpriv --reuid 1000 --regid 1000 --clear-groups'

t.test(
  'usrquota: a user at the limit -> EDQUOT, what fits is there, and accounts stay right',
  { skip },
  async (t) => {
    const image = new ImageFile(t)
    await image.mkfsExt4('64M', '-b', '4096', '-O', 'quota,project')
    writeFileSync(image.path, await limited(readFileSync(image.path), 0, 1000, { hard: 200 }))
    const mounted = await image.mount('-o', 'usrquota,prjquota')
    const said = await mounted.run(`mkdir home; chmod 777 home; cd home
    ${AS_USER} dd if=/dev/zero of=full bs=64k count=10 2>&1 | grep -o 'Disk quota exceeded'; stat -c %s full
    ${AS_USER} mkdir none 2>&1 | grep -o 'Disk quota exceeded'
    dd if=/dev/zero of=by-root bs=64k count=10 status=none; stat -c %s by-root
    truncate -s 0 full; ${AS_USER} dd if=/dev/zero of=again bs=4k count=50 conv=fsync status=none; stat -c %s again`)
    t.same(said.trim().split('\n'), [
      'Disk quota exceeded',
      '204800',
      'Disk quota exceeded',
      '655360',
      '204800',
    ])
    await mounted.crash()
    t.equal((await mounted.run('cat home/again | wc -c')).trim(), '204800')
    await mounted.umount()
    t.equal(await image.complaints(), '', 'e2fsck counts the same')
  },
)

t.test(
  'prjquota: a directory with a project -> inherited, EXDEV from outside, limited',
  { skip },
  async (t) => {
    const image = new ImageFile(t)
    await image.mkfsExt4('64M', '-b', '4096', '-O', 'quota,project')
    writeFileSync(image.path, await limited(readFileSync(image.path), 2, 77, { hard: 100 }))
    const mounted = await image.mount('-o', 'prjquota')
    const said = await mounted.run(`mkdir p; chattr -p 77 p; chattr +P p; chmod 777 p; touch outside
    ${AS_USER} dd if=/dev/zero of=p/full bs=4k count=100 2>&1 | grep -o 'Disk quota exceeded'; stat -c %s p/full
    lsattr -p p/full | cut -c1-5; ln outside p/x 2>&1 | grep -o 'Invalid cross-device link'
    mv outside p/moved && lsattr -p p/moved | cut -c1-5`)
    // The directory itself has 4 KiB of the 100.
    t.same(said.trim().split('\n'), [
      'Disk quota exceeded',
      '98304',
      '   77',
      'Invalid cross-device link',
      '   77',
    ])
    await mounted.umount()
    t.equal(await image.complaints(), '', 'e2fsck counts the same')
  },
)

t.test(
  'fast commits of a crashed kernel -> a mount says so, and has what was fsynced',
  { skip },
  async (t) => {
    const image = new ImageFile(t)
    const crashed = `${image.path}.crashed`
    await image.mkfsExt4('64M', '-b', '4096', '-O', 'fast_commit')
    await image.onKernel(
      `echo 1 > old; sync; echo fsynced > new; sync new; cp --sparse=always ${image.path} ${crashed}`,
    )
    cpSync(crashed, image.path)
    const mounted = await image.mount()
    t.match(mounted.said, /recovered: .*changes of fast commits replayed/)
    t.equal(await mounted.run('cat new'), 'fsynced\n')
    await mounted.umount()
    t.equal(await image.complaints(), '')
    t.equal(await image.onKernel('cat new', { readOnly: true }), 'fsynced\n')
  },
)

t.test(
  'mkfs -O ^has_journal: fsynced, power cut -> e2fsck mends it, and it is there',
  { skip },
  async (t) => {
    const image = new ImageFile(t)
    await image.mkfs('16M', '-O', '^has_journal')
    t.equal(await image.complaints(), '', 'made')
    const mounted = await image.mount()
    await mounted.run('mkdir d; echo kept > d/kept; sync d/kept; echo lost > d/lost')
    await mounted.crash()
    t.equal(await mounted.run('cat d/kept'), 'kept\n')
    await mounted.umount()
    const { status } = await execute('e2fsck', ['-fy', image.path])
    t.ok(status === 0 || status === 1, `e2fsck: ${status}`)
    t.equal(await image.complaints(), '', 'mended')
    t.equal(await image.onKernel('cat d/kept'), 'kept\n')
    t.not(
      (await fakedax('mkfs', `${image.path}.2`, '--size', '16M', '-O', 'bigalloc')).status,
      0,
      'nothing else',
    )
  },
)
