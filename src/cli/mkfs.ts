import { randomUUID } from 'node:crypto'
import { Command, InvalidArgumentError } from 'commander'
import type { FormatOptions } from '../machine/format-image.js'
import { EXIT_FAILURE, fail } from './failure.js'
import { formatSize, parseCount, parseSize } from './size.js'

interface Flags {
  size?: number
  label?: string
  uuid?: Uint8Array
  blockSize?: number
  inodes?: number
  features?: Features
  force?: boolean
}

/** What of mke2fs's `-O` can be chosen here. */
interface Features {
  journal: boolean
}

function parseFeatures(text: string): Features {
  const features = { journal: true }
  for (const name of text.split(',')) {
    if (name !== 'has_journal' && name !== '^has_journal')
      throw new InvalidArgumentError(`only has_journal can be chosen, not "${name}".`)
    features.journal = name === 'has_journal'
  }
  return features
}

function parseUuid(text: string): Uint8Array {
  const digits = text.replaceAll('-', '')
  if (!/^[0-9a-f]{32}$/i.test(digits)) throw new InvalidArgumentError('give 32 hexadecimal digits.')
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

function formatUuid(uuid: Uint8Array): string {
  const digits = Buffer.from(uuid).toString('hex')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

export function mkfsCommand(): Command {
  return new Command('mkfs')
    .summary('make an image with an empty ext4 file system')
    .description(
      'Makes an image: a sparse file with an empty ext4 file system, as mkfs.ext4 would make it.\nAn image that holds something already is refused, unless --force is given.',
    )
    .argument('<image>', 'file to create, or an existing file or block device')
    .option('-s, --size <size>', 'bytes, or with K, M, G, T: 256M. Needed unless the file exists', parseSize)
    .option('-L, --label <label>', 'name of the volume, at most 16 bytes')
    .option('-U, --uuid <uuid>', 'its UUID; random unless given', parseUuid)
    .option(
      '-b, --block-size <bytes>',
      '1024, 2048 or 4096 (default: 4096, which DAX needs)',
      parseCount(1024),
    )
    .option('-N, --inodes <count>', 'how many files it can hold at least', parseCount(1))
    .option(
      '-O, --features <list>',
      '^has_journal leaves the journal out: a crash is then for e2fsck to mend',
      parseFeatures,
    )
    .option('-f, --force', 'overwrite what is there')
    .addHelpText('after', '\nExample:\n  fakedax mkfs disk.img --size 256M --label scratch')
    .action(async (image: string, flags: Flags) => {
      const options: FormatOptions = {
        image,
        uuid: flags.uuid ?? parseUuid(randomUUID()),
        ...(flags.size === undefined ? {} : { size: flags.size }),
        ...(flags.label === undefined ? {} : { label: flags.label }),
        ...(flags.blockSize === undefined ? {} : { blockSize: flags.blockSize }),
        ...(flags.inodes === undefined ? {} : { inodes: flags.inodes }),
        ...(flags.features?.journal === false ? { journalBlocks: 0 } : {}),
        ...(flags.force === undefined ? {} : { force: flags.force }),
      }
      try {
        // Loaded when needed: the other commands start without the guest's kernel.
        const { formatImage } = await import('../machine/format-image.js')
        const report = await formatImage(options)
        const journal =
          report.journalBlocks === 0
            ? 'no journal'
            : `journal ${formatSize(report.journalBlocks * report.blockSize)}`
        console.log(
          `${image}: ext4, ${formatSize(report.blocksCount * report.blockSize)}, ${report.inodesCount} inodes, ${journal}, UUID ${formatUuid(report.uuid)}`,
        )
      } catch (error) {
        fail(error, EXIT_FAILURE)
      }
    })
}
