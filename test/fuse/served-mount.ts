/**
 * A process that mounts a tiny file system and serves it until it is unmounted: what acts on the mount must be
 * another process. Arguments: mountpoint, dax mode, and a block device for fuseblk. Prints `mounted`, and at the end
 * its statistics as JSON.
 */
import { POLLIN, poll, pollTable } from '../../lib/libc.js'
import { KernelChannel } from '../../src/fuse/channel.js'
import type { DaxMode } from '../../src/fuse/connection.js'
import { mountFuse } from '../../src/fuse/mount.js'
import { Session } from '../../src/fuse/session.js'
import { TinyFileSystem } from './tiny-file-system.js'

const [mountpoint, dax, blockDevice] = process.argv.slice(2) as [string, DaxMode, string | undefined]
const fs = new TinyFileSystem()
fs.syncs = []
const fd = mountFuse({ mountpoint, source: 'tiny', ...(blockDevice === undefined ? {} : { blockDevice }) })
const session = new Session(fs, new KernelChannel(fd), { dax })
process.stdout.write('mounted\n')

const table = pollTable(1)
table[0] = fd
table[1] = POLLIN
for (;;) {
  const served = session.serveOne()
  if (served === 'ended') break
  if (served === 'empty') {
    // Syncs end only when the kernel has nothing else to ask: it is so that others can be seen to overtake them.
    for (const sync of fs.syncs.splice(0)) sync.complete()
    await new Promise(setImmediate)
    poll(table, 1, session.pending > 0 ? 0 : 50)
  }
}
await session.forgetAll()
const { destroyed, knownInodes, statistics } = session
const orphans = [...fs.nodes.values()].filter(
  ({ attributes, users }) => attributes.nlink === 0 || users > 0,
).length
process.stdout.write(
  `${JSON.stringify({ destroyed, knownInodes, orphans, calls: fs.calls, requests: statistics.byName() })}\n`,
)
