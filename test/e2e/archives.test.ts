import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FILL_TREE } from './fill-tree.js'
import { ImageFile } from './mounted-image.js'
import { CHECKOUT, cannotMount } from './prerequisites.js'
import { shell } from './program.js'
import { differences, LIST_COPY } from './tree-listing.js'

const skip = cannotMount()
t.setTimeout(120_000)

/** What an archive keeps: besides LIST_COPY attributes of all name spaces, ACLs, capabilities, and who is linked to whom. */
const LIST_ARCHIVED = `${LIST_COPY}
  find . -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex |
    awk '/^# file: / { file = substr($0, 9); next } NF { print file, $0 }'
  find . -type d -print0 | sort -z | xargs -0 stat --printf '%n mode=%f owner=%u:%g\\n'
  find . -type f -links +1 -printf '%i %p\\n' | sort -k2 |
    awk '{ if (!($1 in first)) first[$1] = $2; print "link", $2, first[$1] }'
`

t.test('tar with attributes and ACLs, then rsync -aHAX -> nothing differs', { skip }, async (t) => {
  const image = new ImageFile(t)
  await image.mkfs('256M')
  const original = join(image.place, 'original')
  mkdirSync(original)
  await shell(original, `${FILL_TREE}\ncp /bin/true capable && setcap cap_net_raw+ep capable`, CHECKOUT)
  const reference = await shell(original, LIST_ARCHIVED)
  t.match(reference, /security\.capability=.*\n/)
  t.match(reference, /system\.posix_acl_default=.*\n/)
  t.match(reference, /trusted\.hidden=.*\n/)

  const mounted = await image.mount()
  const archive = join(image.place, 'original.tar')
  await shell(original, 'tar --xattrs --xattrs-include=\'*\' --acls --numeric-owner -cf "$1" .', archive)
  const unpack =
    'mkdir unpacked && tar -C unpacked --xattrs --xattrs-include=\'*\' --acls --numeric-owner -xpf "$1"'
  await mounted.run(unpack, archive)
  t.same(differences(await mounted.run(`cd unpacked; ${LIST_ARCHIVED}`), reference), [], 'tar')
  await mounted.run('rsync -aHAX --numeric-ids unpacked/ copied')
  t.same(differences(await mounted.run(`cd copied; ${LIST_ARCHIVED}`), reference), [], 'rsync')
  await mounted.umount()
  t.equal(await image.complaints(), '', 'e2fsck')
  const byKernel = await image.onKernel(`cd copied; ${LIST_ARCHIVED}`, { readOnly: true })
  t.same(differences(byKernel, reference), [], "as the kernel's ext4 reads it")
})
