import { Prng } from '../../lib/prng.js'
import type { CrashDisk } from './crash-disk.js'
import type { Epoch, PagePart } from './epoch.js'

/**
 * Which of the uncertain stores survive. Each page keeps some version that it had:
 *
 * - `all`, `none`: the last, the first;
 * - `drop`, `keep`: one page has lost everything, or is the only one that has not;
 * - `random`: each page has a version drawn by `seed`;
 * - `torn`: so too, and in a third of the pages each unit of `unit` bytes for itself.
 */
export type Survivors =
  | { readonly kind: 'all' | 'none' }
  | { readonly kind: 'drop' | 'keep'; readonly page: number }
  | { readonly kind: 'random'; readonly seed: number }
  | { readonly kind: 'torn'; readonly seed: number; readonly unit: number }

/** As one word, for a replay line. */
export function formatSurvivors(survivors: Survivors): string {
  switch (survivors.kind) {
    case 'drop':
    case 'keep':
      return `${survivors.kind}:${survivors.page}`
    case 'random':
      return `random:${survivors.seed}`
    case 'torn':
      return `torn:${survivors.seed}/${survivors.unit}`
    default:
      return survivors.kind
  }
}

/** Reads what {@link formatSurvivors} wrote. Throws RangeError. */
export function parseSurvivors(text: string): Survivors {
  const [, kind, first, unit] = /^(\w+)(?::(\d+)(?:\/(\d+))?)?$/.exec(text) ?? []
  if (kind === 'all' || kind === 'none') return { kind }
  if ((kind === 'drop' || kind === 'keep') && first !== undefined) return { kind, page: Number(first) }
  if (kind === 'random' && first !== undefined) return { kind, seed: Number(first) }
  if (kind === 'torn' && unit !== undefined) return { kind, seed: Number(first), unit: Number(unit) }
  throw new RangeError(`survivors "${text}"`)
}

/**
 * The first `stores` stores of the epoch were made and the power failed: lays what survives over the disk, whose
 * settled content is what is certain.
 */
export function layCrashState(disk: CrashDisk, epoch: Epoch, stores: number, survivors: Survivors): void {
  if (survivors.kind === 'none') return
  const versions = survivors.kind === 'random' ? drawVersions(epoch, stores, survivors.seed) : undefined
  const torn = survivors.kind === 'torn' ? new Tear(stores, survivors.seed, survivors.unit) : undefined
  for (const part of epoch.parts) {
    if (part.store >= stores) break
    if (torn !== undefined) torn.lay(disk, part)
    else if (survives(part, survivors, versions)) disk.lay(part.offset, part.bytes, 0, part.bytes.length)
  }
}

function survives(part: PagePart, survivors: Survivors, versions: Map<number, number> | undefined): boolean {
  switch (survivors.kind) {
    case 'drop':
      return part.page !== survivors.page
    case 'keep':
      return part.page === survivors.page
    case 'random':
      return part.store < (versions?.get(part.page) ?? 0)
    default:
      return true
  }
}

/** For each page the store before which its version ends. Extremes are likelier: nothing, all, anything between. */
function drawVersions(epoch: Epoch, stores: number, seed: number): Map<number, number> {
  const prng = new Prng(seed)
  const versions = new Map<number, number>()
  for (const part of epoch.parts) {
    if (part.store >= stores) break
    if (!versions.has(part.page)) versions.set(part.page, drawVersion(prng, stores))
  }
  return versions
}

function drawVersion(prng: Prng, stores: number): number {
  const kind = prng.below(3)
  return kind === 0 ? 0 : kind === 1 ? stores : prng.below(stores + 1)
}

/** Draws a version for each page, or for some pages one for each unit. */
class Tear {
  readonly #prng: Prng
  readonly #unit: number
  readonly #stores: number
  /** -1: it is torn. */
  readonly #pages = new Map<number, number>()
  readonly #units = new Map<number, number>()

  constructor(stores: number, seed: number, unit: number) {
    this.#prng = new Prng(seed)
    this.#unit = unit
    this.#stores = stores
  }

  lay(disk: CrashDisk, part: PagePart): void {
    const page = this.#page(part.page)
    if (page >= 0) {
      if (part.store < page) disk.lay(part.offset, part.bytes, 0, part.bytes.length)
      return
    }
    const end = part.offset + part.bytes.length
    for (let at = part.offset; at < end; ) {
      const unit = Math.floor(at / this.#unit)
      const next = Math.min(end, (unit + 1) * this.#unit)
      const version = this.#unitVersion(unit)
      if (part.store < version) disk.lay(at, part.bytes, at - part.offset, next - part.offset)
      at = next
    }
  }

  #page(page: number): number {
    let version = this.#pages.get(page)
    if (version === undefined) {
      version = this.#prng.below(3) === 0 ? -1 : drawVersion(this.#prng, this.#stores)
      this.#pages.set(page, version)
    }
    return version
  }

  #unitVersion(unit: number): number {
    let version = this.#units.get(unit)
    if (version === undefined) {
      version = drawVersion(this.#prng, this.#stores)
      this.#units.set(unit, version)
    }
    return version
  }
}
