import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import tmp from 'tmp'
import { DX_HASH_HALF_MD4, DX_HASH_LEGACY, DX_HASH_TEA, DxHash } from '../../../src/guest/ext4/dx-hash.js'

const VERSIONS = { legacy: DX_HASH_LEGACY, half_md4: DX_HASH_HALF_MD4, tea: DX_HASH_TEA } as const
const SEED = '01234567-89ab-cdef-0123-456789abcdef'

/** The seed's bytes as the superblock has them. */
function seedWords(): Int32Array {
  const bytes = Buffer.from(SEED.replaceAll('-', ''), 'hex')
  return Int32Array.from({ length: 4 }, (_, word) => bytes.readInt32LE(word * 4))
}

/** What debugfs computes, with signed characters as on x86: [hash, minor] of each name. */
function judge(algorithm: string, seed: string, names: readonly string[]): [number, number][] {
  const path = tmp.fileSync().name
  writeFileSync(path, names.map((name) => `dx_hash -h ${algorithm} ${seed} "${name}"\n`).join(''))
  const output = execFileSync('debugfs', ['-f', path], { encoding: 'utf8', stdio: 'pipe' })
  return [...output.matchAll(/^Hash of .* is 0x([0-9a-f]+) \(minor 0x([0-9a-f]+)\)$/gm)].map((found) => [
    Number.parseInt(found[1] ?? '', 16),
    Number.parseInt(found[2] ?? '', 16),
  ])
}

function compute(hash: DxHash, name: string): [number, number] {
  const bytes = new Uint8Array(Buffer.from(`..${name}`, 'utf8'))
  hash.compute(bytes, 2, bytes.length - 2)
  return [hash.hash, hash.minor]
}

const lengths = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 200, 255]
const names = [
  ...lengths.map((length) => 'abcdefghijklmnopqrstuvwxyz'.repeat(10).slice(0, length)),
  'über',
  'длинное-имя-файла-в-каталоге',
  'ÿ'.repeat(40),
]

for (const [algorithm, version] of Object.entries(VERSIONS)) {
  t.test(`${algorithm}: names of many lengths -> the hashes debugfs computes`, async (t) => {
    const plain = new DxHash(version, true, new Int32Array(4))
    const seeded = new DxHash(version, true, seedWords())
    t.same(
      names.map((name) => compute(plain, name)),
      judge(algorithm, '', names),
      'no seed',
    )
    t.same(
      names.map((name) => compute(seeded, name)),
      judge(algorithm, `-s ${SEED}`, names),
      'with a seed',
    )
  })

  t.test(`${algorithm}: signedness -> matters beyond ASCII only`, async (t) => {
    const signed = new DxHash(version, true, seedWords())
    const unsigned = new DxHash(version, false, seedWords())
    t.same(compute(unsigned, 'plain ASCII'), compute(signed, 'plain ASCII'))
    t.not(compute(unsigned, 'über')[0], compute(signed, 'über')[0])
  })
}

t.test('hash: any name -> even, and never the mark of the end', async (t) => {
  const hashes = Object.values(VERSIONS).map((version) => new DxHash(version, false, seedWords()))
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 255 }), (name) => {
      for (const hash of hashes) {
        const value = hash.compute(name, 0, name.length)
        if (value % 2 !== 0 || value < 0 || value >= 0xffff_fffe) return false
      }
      return true
    }),
  )
  // debugfs leaves this hash as it is; the kernel, which looks names up by it, does not.
  t.same(judge('legacy', '', ['acvkwNQ']), [[0xffff_fffe, 0]])
  t.equal(compute(new DxHash(DX_HASH_LEGACY, true, new Int32Array(4)), 'acvkwNQ')[0], 0xffff_fffc)
})
