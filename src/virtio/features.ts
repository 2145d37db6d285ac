/** Feature bits of every device, by bit number. virtio 1.2, 6 "Reserved Feature Bits". */
export const VIRTIO_F_INDIRECT_DESC = 28
export const VIRTIO_F_EVENT_IDX = 29
export const VIRTIO_F_VERSION_1 = 32
export const VIRTIO_F_ACCESS_PLATFORM = 33
export const VIRTIO_F_RING_PACKED = 34
export const VIRTIO_F_IN_ORDER = 35
export const VIRTIO_F_ORDER_PLATFORM = 36
export const VIRTIO_F_NOTIFICATION_DATA = 38
export const VIRTIO_F_RING_RESET = 40

const NAMES: ReadonlyMap<number, string> = new Map([
  [VIRTIO_F_INDIRECT_DESC, 'INDIRECT_DESC'],
  [VIRTIO_F_EVENT_IDX, 'EVENT_IDX'],
  [VIRTIO_F_VERSION_1, 'VERSION_1'],
  [VIRTIO_F_ACCESS_PLATFORM, 'ACCESS_PLATFORM'],
  [VIRTIO_F_RING_PACKED, 'RING_PACKED'],
  [VIRTIO_F_IN_ORDER, 'IN_ORDER'],
  [VIRTIO_F_ORDER_PLATFORM, 'ORDER_PLATFORM'],
  [VIRTIO_F_NOTIFICATION_DATA, 'NOTIFICATION_DATA'],
  [VIRTIO_F_RING_RESET, 'RING_RESET'],
])

/** A set of feature bits 0..63, as the two words that the registers carry. Never changes. */
export class FeatureSet {
  /** Bits 0..31. */
  readonly low: number
  /** Bits 32..63. */
  readonly high: number

  constructor(low = 0, high = 0) {
    this.low = low >>> 0
    this.high = high >>> 0
  }

  static of(...bits: number[]): FeatureSet {
    let low = 0
    let high = 0
    for (const bit of bits) {
      if (!(Number.isInteger(bit) && bit >= 0 && bit < 64)) throw new RangeError(`feature bit ${bit}`)
      if (bit < 32) low |= 1 << bit
      else high |= 1 << (bit - 32)
    }
    return new FeatureSet(low, high)
  }

  get isEmpty(): boolean {
    return this.low === 0 && this.high === 0
  }

  has(bit: number): boolean {
    return ((bit < 32 ? this.low >>> bit : this.high >>> (bit - 32)) & 1) === 1
  }

  with(bit: number): FeatureSet {
    const added = FeatureSet.of(bit)
    return new FeatureSet(this.low | added.low, this.high | added.high)
  }

  without(bit: number): FeatureSet {
    return this.minus(FeatureSet.of(bit))
  }

  and(other: FeatureSet): FeatureSet {
    return new FeatureSet(this.low & other.low, this.high & other.high)
  }

  minus(other: FeatureSet): FeatureSet {
    return new FeatureSet(this.low & ~other.low, this.high & ~other.high)
  }

  isSubsetOf(other: FeatureSet): boolean {
    return this.minus(other).isEmpty
  }

  equals(other: FeatureSet): boolean {
    return this.low === other.low && this.high === other.high
  }

  /** Ascending. */
  bits(): number[] {
    return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => this.has(bit))
  }

  toString(): string {
    return this.bits()
      .map((bit) => NAMES.get(bit) ?? `bit ${bit}`)
      .join(', ')
  }
}
