/** Ioctls by a program on real mounts. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fakedax, ImageFile, type MountedImage } from './mounted-image.js'
import { CHECKOUT, cannotMount } from './prerequisites.js'
import { run } from './program.js'

const skip = cannotMount()
t.setTimeout(120_000)

/** A mount, and what the program of operations.c prints. */
async function rig(
  t: Test,
  ...parameters: string[]
): Promise<{ mounted: MountedImage; ask: (...words: string[]) => Promise<string[]>; program: string }> {
  const image = new ImageFile(t)
  await image.mkfsExt4('64M', '-b', '4096', '-L', 'label')
  const program = join(image.place, 'operations')
  await run('cc', ['-O1', '-Wall', '-Werror', '-o', program, join(CHECKOUT, 'test/e2e/operations.c')])
  const mounted = await image.mount(...parameters)
  const ask = async (...words: string[]): Promise<string[]> =>
    (await run(program, words, { cwd: mounted.dir })).trimEnd().split('\n')
  return { mounted, ask, program }
}

const shutdowns = [
  { name: 'default', flags: 0, late: true },
  { name: 'logflush', flags: 1, late: true },
  { name: 'nologflush', flags: 2, late: false },
]

for (const { name, flags, late } of shutdowns) {
  t.test(`EXT4_IOC_SHUTDOWN ${name}: EIO, unmount works, the next mount recovers`, { skip }, async (t) => {
    const { mounted, ask, program } = await rig(t, '-o', 'commit=300')
    await mounted.run('seq 1000 > synced; sync -f .; seq 2000 > late')
    t.same(await ask('shutdown', '.', '3'), ['EINVAL'])
    t.same(await ask('shutdown-at-nowhere', '.'), ['EFAULT'])
    const asNobody = `setpriv --reuid 1000 --clear-groups "$1" shutdown . ${flags}`
    t.equal(await mounted.run(asNobody, program), 'EPERM\n')
    t.same(await ask('shutdown', '.', String(flags)), ['ok'])
    for (const command of [
      'cat synced',
      'echo x > late',
      'echo x > new',
      'mkdir d',
      'rm synced',
      'sync -f .',
    ])
      await t.rejects(mounted.run(command), /Input\/output error|Input.output/, command)
    await mounted.umount()
    const again = await mounted.image.mount()
    t.match(again.said, /recovered: /)
    t.equal(
      await again.run('seq 1000 | cmp - synced; ls'),
      late ? 'late\nlost+found\nsynced\n' : 'lost+found\nsynced\n',
    )
    if (late) await again.run('seq 2000 | cmp - late')
    await again.umount()
    t.equal(await mounted.image.complaints(), '')
  })
}

t.test('after a shutdown: the mount answers fakedax, and a crash of it', { skip }, async (t) => {
  const { mounted, ask } = await rig(t)
  await ask('shutdown', '.', '2')
  t.match(await mounted.status(), { device: 'running' })
  const { status } = await fakedax('crash', mounted.dir)
  t.equal(status, 0)
  await mounted.run('echo works > again')
  await mounted.umount()
  t.equal(await mounted.image.complaints(), '')
})

t.test('what Linux passes on to a file system in user space, and what it does not', { skip }, async (t) => {
  const { mounted, ask, program } = await rig(t)
  t.equal((await mounted.summary()).record.type, 'fuseblk')
  t.same(await ask('label', '.'), ['label'])
  t.same(await ask('set-label', '.', 'seventeen letters'), ['EINVAL'])
  t.same(await ask('set-label', '.', 'renamed'), ['ok'])
  t.same(await ask('label', '.'), ['renamed'])
  t.equal(await mounted.run('setpriv --reuid 1000 --clear-groups "$1" set-label . x', program), 'EPERM\n')
  await mounted.run(
    'head -c 8M /dev/urandom > file; fallocate -l 4K unwritten; truncate -s 1M hole; sync -f .',
  )
  const block = Number((await ask('fibmap', 'file', '100'))[0])
  t.same(await ask('fibmap', 'hole', '3'), ['0'])
  t.same(await ask('fibmap', 'unwritten', '0'), ['0'])
  t.same(await ask('fiemap', 'file'), ['EOPNOTSUPP'], 'answered by the kernel')
  t.same(await ask('uuid', '.'), ['ENOTTY', 'ENOTTY', 'ENOTTY'], 'the kernel asks its own superblock')
  await mounted.umount()
  t.equal((await run('blkid', ['-o', 'value', '-s', 'LABEL', mounted.image.path])).trim(), 'renamed')
  const told = await run('debugfs', ['-R', 'bmap file 100', mounted.image.path])
  t.equal(Number(told.trim()), block)
  t.equal(await mounted.image.complaints(), '')
})
