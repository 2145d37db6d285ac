import { openJournal } from '../../../src/guest/ext4/journal-inode.js'
import { QuotaFile } from '../../../src/guest/ext4/quota-file.js'
import { DiskDqblk } from '../../../src/guest/ext4/quota-format.js'
import { Volume } from '../../../src/guest/ext4/volume.js'
import { RamDisk } from '../../ram-disk.js'
import { operate } from './journaled-volume.js'
import { TestClock } from './mounted.js'

/** Limits are set while nobody has the file system mounted. Units as in the file: 1 KiB and inodes. */
export async function limited(
  image: Uint8Array,
  type: 0 | 1 | 2,
  id: number,
  limits: { hard?: number; soft?: number; inodesHard?: number; inodesSoft?: number },
): Promise<Uint8Array> {
  const disk = new RamDisk(image)
  const volume = new Volume(disk, new TestClock().now)
  const journal = openJournal(volume, { clock: () => 0, commitInterval: 5000, barrier: true })
  if (journal === undefined) throw new Error('the image has no journal')
  volume.journal = journal
  journal.beforeCommit = (handle) => volume.checksums.seal(handle)
  const ino = [3, 4, 12][type] as number
  await operate(journal, (handle) => {
    const { head, offset } = new QuotaFile(volume.inodeCache.get(ino), type).modify(handle, id)
    const at = head.at + offset
    DiskDqblk.dqb_bhardlimit.set(head.view, at, limits.hard ?? 0)
    DiskDqblk.dqb_bsoftlimit.set(head.view, at, limits.soft ?? 0)
    DiskDqblk.dqb_ihardlimit.set(head.view, at, limits.inodesHard ?? 0)
    DiskDqblk.dqb_isoftlimit.set(head.view, at, limits.inodesSoft ?? 0)
  })
  await journal.close()
  return disk.bytes.slice()
}
