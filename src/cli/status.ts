import { Command } from 'commander'
import { type MountSummary, mountStatus, mountsOnRecord } from '../machine/mounted.js'
import { formatOptionList } from '../machine/option-list.js'
import { EXIT_FAILURE, fail } from './failure.js'
import { formatSize } from './size.js'

const MEANING = {
  fuseblk: 'fuseblk: sync(2) and syncfs(2) reach the file system',
  fuse: 'fuse: sync(2) does not reach the file system; use fsync(2) or "fakedax sync"',
} as const

const FRONT_ENDS = {
  kernel: "kernel: fakedax itself speaks the kernel's protocol",
  'fuse-native': 'fuse-native: libfuse 2, for the user who mounted only',
} as const

function rows(summary: MountSummary): [string, string][] {
  const { record, state, status } = summary
  const { options } = record
  const process = `process ${record.pid}, since ${record.started}`
  const about: [string, string][] = [
    ['image', options.image],
    ['options', `${formatOptionList(options)}, host cache ${options.hostCache}`],
    ['kind', MEANING[record.type]],
    ['front', FRONT_ENDS[options.frontEnd]],
  ]
  if (state === 'dead')
    return [...about, ['state', `DEAD: process ${record.pid} is gone; "fakedax umount" clears it away`]]
  if (status === undefined) return [...about, ['state', `STUCK: ${process}: ${summary.reason}`]]
  const device = status.device === 'failed' ? 'FAILED: the host could not sync, every FLUSH fails' : 'running'
  return [
    ...about,
    [
      'state',
      status.error === undefined ? `mounted, ${process}` : `READ-ONLY after an error: ${status.error}`,
    ],
    ['device', device],
    ['fsyncs', `${status.fsyncs} received`],
    ['commits', `${status.commits} journal transactions`],
    ['flushes', `${status.flushRequests} FLUSH requests, ${status.hostSyncs} host syncs`],
    ['written', `${formatSize(status.bytesWrittenBack)} to the image`],
    ['dirty', `${formatSize(status.bytesDirty)} that a power failure would lose`],
  ]
}

function print(summary: MountSummary): void {
  console.log(summary.record.options.dir)
  for (const [name, value] of rows(summary)) console.log(`  ${name.padEnd(8)} ${value}`)
}

export function statusCommand(): Command {
  return new Command('status')
    .summary('show mounts and what a power failure would lose')
    .description(
      'Shows one mount, or all: the image, the process, counts of fsync, commit and FLUSH, and what is dirty.',
    )
    .argument('[dir]', 'where it is mounted; all mounts when absent')
    .option('--json', 'as JSON')
    .action(async (dir: string | undefined, flags: { json?: boolean }) => {
      try {
        const summaries = dir === undefined ? await mountsOnRecord() : [await mountStatus(dir)]
        if (flags.json) console.log(JSON.stringify(dir === undefined ? summaries : summaries[0], null, 2))
        else if (summaries.length === 0) console.log('no image is mounted')
        else summaries.forEach(print)
      } catch (error) {
        fail(error, EXIT_FAILURE)
      }
    })
}
