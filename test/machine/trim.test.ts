/** fstrim(8) and the discard option on real mounts, judged by the image's own blocks and by the kernel's ext4. */
import '../own-children.js'
import { execFile } from 'node:child_process'
import { chmodSync, readFileSync, statSync } from 'node:fs'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import tmp from 'tmp'
import { fsck, type Mount, type MountParameters, mount } from '../../src/index.js'
import { onKernel } from '../guest/ext4/kernel-mount.js'
import { whyNotCompare } from './same-as-kernel.js'
import { temporaryImage } from './temporary-image.js'

const run = promisify(execFile)
const skip = whyNotCompare('fstrim', 'setpriv', 'e2fsck')

t.setTimeout(120_000)
tmp.setGracefulCleanup()
process.env['FAKEDAX_RUNTIME_DIR'] = tmp.dirSync({ unsafeCleanup: true }).name

async function mounted(
  t: Test,
  parameters: Partial<MountParameters>,
): Promise<{ made: Mount; image: string; sh: (script: string) => Promise<string> }> {
  const { image, dir, place } = await temporaryImage(64 << 20)
  chmodSync(place, 0o755)
  const made = await mount({ image, dir, commitInterval: 300_000, ...parameters })
  t.teardown(() => made.umount().catch(() => {}))
  const sh = async (script: string): Promise<string> =>
    (await run('sh', ['-ec', script], { cwd: dir, encoding: 'utf8' })).stdout
  return { made, image, sh }
}

/** Bytes of disk that the image takes. */
const taken = (image: string): number => statSync(image).blocks * 512

const FILL = 'head -c 20M /dev/urandom > big; seq 10000 > small; sync -f .'

for (const hostCache of ['emulated', 'kernel'] as const) {
  t.test(
    `fstrim, host cache ${hostCache} -> the image shrinks, and is as good as before`,
    { skip },
    async (t) => {
      const { made, image, sh } = await mounted(t, { hostCache })
      await sh(FILL)
      const full = taken(image)
      const trimmed = /\((\d+) bytes\)/.exec(await sh('rm big; fstrim -v .'))
      t.ok(Number(trimmed?.[1]) > 20 << 20)
      t.ok(full - taken(image) >= 19 << 20, `${full} -> ${taken(image)}`)
      t.match(await sh('fstrim -v .'), '(0 bytes)', 'nothing was freed since')
      await sh('mkdir d; fstrim d')
      await t.rejects(sh('setpriv --reuid 1000 --clear-groups fstrim .'), /not permitted/)
      await sh(
        'head -c 10M /dev/zero | tr "\\\\0" x > big; cp big copy; cmp big copy; seq 10000 | cmp - small',
      )
      await made.umount()
      t.same((await fsck({ image })).problems, [])
      await run('e2fsck', ['-fn', image])
      t.equal(onKernel(readFileSync(image), 'seq 10000 | cmp - small; tr -d x < big | wc -c').output, '0\n')
    },
  )
}

t.test(
  '-o discard -> the image shrinks by itself once the removal is durable; a crash loses nothing',
  { skip },
  async (t) => {
    const { made, image, sh } = await mounted(t, { discard: true })
    await sh(FILL)
    const full = taken(image)
    const sum = await sh('sha256sum < big')
    await sh('rm big')
    t.equal(taken(image), full)
    await made.crash()
    t.ok(Number(await sh('stat -c %s big')) === 20 << 20, 'not durable: the file is back')
    t.equal(await sh('sha256sum < big'), sum, 'with its bytes')
    await sh('rm big; sync -f .')
    t.ok(full - taken(image) >= 19 << 20, `${full} -> ${taken(image)}`)
    await made.crash()
    t.equal(await sh('seq 10000 | cmp - small; ls'), 'lost+found\nsmall\n')
    await made.umount()
    await run('e2fsck', ['-fn', image])
  },
)

// The kernel's ext4 goes on behind the end of a range to the end of the free run; this range ends with a group.
t.test("fstrim of parts -> as many bytes as the kernel's ext4 says", { skip }, async (t) => {
  const { image, dir } = await temporaryImage(150 << 20)
  const script = `
    fstrim -v -o 0 -l 4096 . ; fstrim -v -o 64M -l 64M . ; fstrim -v -m 20M .
    fstrim -v -m 110M . 2>&1 | sed 's/.*: //' ; fstrim -v -m 129M . 2>&1 | sed 's/.*: //'
    fstrim -v -o 150M . 2>&1 | sed 's/.*: //' ; fstrim -v . ; fstrim -v . ; fstrim -v -m 16M -o 128M .`
  const lines = (text: string): string[] => text.replace(/^[^:\n]*: /gm, '').split('\n')
  const kernel = lines(onKernel(readFileSync(image), `set +e\n${script}`).output)
  const made = await mount({ image, dir })
  t.teardown(() => made.umount().catch(() => {}))
  const { stdout } = await run('sh', ['-c', script], { cwd: dir })
  t.same(lines(stdout), kernel)
  await made.umount()
})
