import '../own-children.js'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import { mount } from '../../src/index.js'
import { idMapFile, replaceByIdmapped } from '../../src/machine/idmapped-mount.js'
import type { IdMapping } from '../../src/machine/machine-options.js'
import { mountedAt } from '../../src/machine/mount-table.js'
import { onKernel } from '../guest/ext4/kernel-mount.js'
import { whyNotCompare } from './same-as-kernel.js'
import { temporaryImage } from './temporary-image.js'

const skip = whyNotCompare('unshare', 'setpriv', 'getfacl')
t.setTimeout(120_000)

const MAPPINGS: readonly IdMapping[] = [{ of: 'both', first: 0, seen: 1000, count: 10 }]

/** Owners 0 to 9 are of the mapping, 50 is not. */
const PREPARE = `mkdir d s; echo x > d/f; echo y > g; echo z > u
chown 1:2 d/f; chown 50:50 g; chmod 666 g; chmod 4755 u; chown :3 s; chmod 2777 s; setfacl -m u:4:rw d/f`

const AS = 'setpriv --reuid 1000 --regid 1000 --clear-groups sh -c'
const LOOK = "stat -c '%n %u:%g %a' d d/* g u s s/*"
const SCRIPT = `${LOOK}; getfacl -n d/f
${AS} 'echo new > d/new; mkdir s/sub; : > s/file; echo more >> u; chmod 600 d/f; rm d/f; echo a >> g; chown 1003 d/new'
echo root > d/root; chown 1005:1006 d/new; chown 5:5 d/new; chmod 644 u; ${LOOK}`

/** All that a script prints. */
function run(dir: string, script: string): string[] {
  const env = { ...process.env, LC_ALL: 'C' }
  const output = execFileSync('sh', ['-c', `exec 2>&1; ${script}`], { cwd: dir, env, encoding: 'utf8' })
  return output.split('\n')
}

async function onKernelIdmapped(t: Test, image: Uint8Array, script: string): Promise<string[]> {
  const place = tmp.dirSync({ unsafeCleanup: true }).name
  const [file, dir] = [join(place, 'image'), join(place, 'mnt')]
  writeFileSync(file, image)
  mkdirSync(dir)
  execFileSync('mount', ['-o', 'loop', file, dir])
  t.teardown(() => execFileSync('umount', [dir]))
  await replaceByIdmapped(dir, MAPPINGS)
  return run(dir, script)
}

t.test('idMapFile: by type, what is not said as it is', async (t) => {
  t.equal(idMapFile(MAPPINGS, 'gid'), '0 1000 10\n')
  const users: IdMapping[] = [
    { of: 'uid', first: 0, seen: 5, count: 1 },
    { of: 'uid', first: 7, seen: 6, count: 2 },
  ]
  t.equal(idMapFile(users, 'uid'), '0 5 1\n7 6 2\n')
  t.equal(idMapFile(users, 'gid'), '0 0 4294967295\n')
})

t.test(
  "X-mount.idmap: owners are seen and stored as on an idmapped mount of the kernel's ext4",
  { skip },
  async (t) => {
    const { image, dir } = await temporaryImage()
    const { image: prepared } = onKernel(readFileSync(image), PREPARE)
    const expected = await onKernelIdmapped(t, prepared, SCRIPT)
    t.ok(expected.includes('d/f 1001:1002 664'), 'the kernel maps')

    writeFileSync(image, prepared)
    const mounted = await mount({ image, dir, options: 'X-mount.idmap=b:0:1000:10' })
    t.teardown(() => mounted.umount().catch(() => {}))
    t.same(run(dir, SCRIPT), expected)
    await mounted.umount()
    execFileSync('e2fsck', ['-fn', image], { stdio: 'pipe' })
    const stored = onKernel(readFileSync(image), "stat -c '%n %u:%g' d/new s/sub s/file").output
    t.equal(stored, 'd/new 5:6\ns/sub 0:3\ns/file 0:3\n')
  },
)

t.test(
  'X-mount.idmap: mappings that overlap -> refused, nothing stays mounted, the image is clean',
  { skip },
  async (t) => {
    const { image, dir } = await temporaryImage()
    await t.rejects(mount({ image, dir, options: 'X-mount.idmap=u:0:1000:10 u:5:2000:10' }), {
      code: 'EINVAL',
      message: /X-mount\.idmap: .*EINVAL/,
    })
    t.equal(mountedAt(dir), undefined)
    execFileSync('e2fsck', ['-fn', image], { stdio: 'pipe' })
    const mounted = await mount({ image, dir })
    t.equal(mounted.report.recovery, undefined)
    await mounted.umount()
  },
)
