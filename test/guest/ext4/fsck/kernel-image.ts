import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../mkfs/e2fsprogs.js'
import { LoopMount } from '../mkfs/loop-mount.js'

/** What the kernel puts into the image: each kind of inode, block map and directory. */
const TREE = `set -e
mkdir -p a/b/c many big sub; echo hello > a/file; ln a/file hard; mkfifo pipe; mknod device b 7 5
ln -s short fast; ln -s $(printf 'x%.0s' {1..200}) slow
mkdir many/{1..150}
touch big/some_longer_name_{1..1500}; rm big/some_longer_name_1*
dd if=/dev/urandom of=data bs=64k count=4 status=none; fallocate -l 300k unwritten
for i in {1..30}; do printf x | dd of=sparse bs=1 seek=$((i * 20480)) conv=notrunc status=none; done
if [ -e attributes ]; then for i in 1 2 3; do cp --preserve=all attributes sub/$i; done; fi
`

export function debugfs(image: string, ...requests: string[]): string {
  return requests.map((request) => run('debugfs', '-w', '-R', request, image).output).join('')
}

/** Makes an image by mkfs.ext4 and lets the kernel fill it; extended attributes come from debugfs. */
export function makeKernelImage(
  directory: string,
  name: string,
  size: string,
  options: readonly string[],
): string {
  const image = join(directory, name)
  const value = join(directory, 'value')
  const dir = join(directory, 'mount')
  rmSync(image, { force: true })
  spawnSync('truncate', ['-s', size, image])
  const made = run('mkfs.ext4', '-q', '-F', ...options, image)
  if (made.status !== 0) throw new Error(made.output)
  writeFileSync(value, 'v'.repeat(500))
  debugfs(
    image,
    `write ${value} attributes`,
    'ea_set attributes user.small hi',
    `ea_set -f ${value} attributes user.big`,
  )
  mkdirSync(dir, { recursive: true })
  const mount = new LoopMount(image, dir)
  try {
    const filled = spawnSync('bash', ['-c', TREE], { cwd: dir, encoding: 'utf8' })
    if (filled.status !== 0) throw new Error(filled.stderr)
  } finally {
    mount.umount()
  }
  return image
}
