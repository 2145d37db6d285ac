import t from 'tap'
import { FeatureSet, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '../../src/virtio/features.js'
import { VirtioMmioRegisters } from '../../src/virtio/mmio-registers.js'
import { VirtioMmioState } from '../../src/virtio/mmio-state.js'
import { IDENTITY } from './recording-device.js'

/** Registers of a device that nobody runs: the bell only counts. Offsets below are the numbers of 4.2.2. */
function makeRegisters(change: Partial<typeof IDENTITY> = {}): {
  registers: VirtioMmioRegisters
  state: VirtioMmioState
  rung: () => number
} {
  const state = VirtioMmioState.create({ ...IDENTITY, ...change })
  let count = 0
  const ring = (): void => {
    count++
  }
  return { registers: new VirtioMmioRegisters(state, { ring }), state, rung: () => count }
}

/** Writes 1 word of the driver's features. */
function acceptFeatures(registers: VirtioMmioRegisters, features: FeatureSet): void {
  registers.write32(0x024, 0)
  registers.write32(0x020, features.low)
  registers.write32(0x024, 1)
  registers.write32(0x020, features.high)
}

const VERSION_1 = FeatureSet.of(VIRTIO_F_VERSION_1)

t.test('identification: magic, version, ids', async (t) => {
  const { registers } = makeRegisters()
  t.equal(registers.read32(0x000), 0x74726976)
  t.equal(registers.read32(0x004), 2)
  t.equal(registers.read32(0x008), 27)
  t.equal(registers.read32(0x00c), 0x1af4)
})

t.test('device features: by selector, beyond the second word 0', async (t) => {
  const { registers } = makeRegisters()
  const words = [0, 1, 2, 0xffff_ffff].map((selector) => {
    registers.write32(0x014, selector)
    return registers.read32(0x010)
  })
  t.same(words, [0x30000001, 1, 0, 0])
})

t.test('VERSION_1: always offered (6.2)', async (t) => {
  const { registers } = makeRegisters({ features: new FeatureSet() })
  registers.write32(0x014, 1)
  t.equal(registers.read32(0x010), 1)
})

t.test(
  'identity: features without implementation, bad queues, config or regions -> RangeError',
  async (t) => {
    const bad: Partial<typeof IDENTITY>[] = [
      { features: FeatureSet.of(VIRTIO_F_RING_PACKED) },
      { features: FeatureSet.of(45) },
      { queueSizeMax: [3] },
      { queueSizeMax: [65536] },
      { queueSizeMax: new Array(17).fill(8) },
      { config: new Uint8Array(257) },
      { sharedMemory: [{ id: 4, base: 0, length: 1 }] },
      { sharedMemory: [{ id: 0, base: 0, length: 0 }] },
    ]
    for (const change of bad) t.throws(() => makeRegisters(change), RangeError)
    t.doesNotThrow(
      () => makeRegisters({ features: FeatureSet.of(23, 41, 42, 63) }),
      'bits of the device type are its own',
    )
  },
)

t.test(
  'FEATURES_OK: subset with VERSION_1 -> set; bit not offered, or legacy -> not set (2.2.2, 3.1.1)',
  async (t) => {
    const cases: [FeatureSet, boolean][] = [
      [VERSION_1, true],
      [VERSION_1.with(0).with(29), true],
      [VERSION_1.with(1), false],
      [VERSION_1.with(34), false],
      [FeatureSet.of(0), false],
      [new FeatureSet(), false],
    ]
    for (const [features, accepted] of cases) {
      const { registers } = makeRegisters()
      registers.write32(0x070, 1)
      registers.write32(0x070, 3)
      acceptFeatures(registers, features)
      registers.write32(0x070, 11)
      t.equal(registers.read32(0x070), accepted ? 11 : 3, String(features))
    }
  },
)

t.test('driver features: written after FEATURES_OK -> ignored', async (t) => {
  const { registers, state } = makeRegisters()
  acceptFeatures(registers, VERSION_1)
  registers.write32(0x070, 11)
  acceptFeatures(registers, VERSION_1.with(0))
  t.same(state.acceptedFeatures.bits(), [32])
})

t.test(
  'status: a bit left out of a write -> stays set (2.1.1); NEEDS_RESET is not the driver`s to set',
  async (t) => {
    const { registers } = makeRegisters()
    registers.write32(0x070, 3)
    registers.write32(0x070, 1)
    t.equal(registers.read32(0x070), 3)
    registers.write32(0x070, 3 | 64)
    t.equal(registers.read32(0x070), 3)
    registers.write32(0x070, 128)
    t.equal(registers.read32(0x070), 131)
  },
)

t.test('DRIVER_OK: after FEATURES_OK -> set, doorbell; without -> refused, silent', async (t) => {
  const { registers, rung } = makeRegisters()
  registers.write32(0x070, 7)
  t.equal(registers.read32(0x070), 3)
  t.equal(rung(), 0)
  acceptFeatures(registers, VERSION_1)
  registers.write32(0x070, 11)
  registers.write32(0x070, 15)
  t.equal(registers.read32(0x070), 15)
  t.equal(rung(), 1)
  registers.write32(0x070, 15)
  t.equal(rung(), 1, 'nothing new')
})

t.test('reset before DRIVER_OK -> at once: the device holds nothing', async (t) => {
  const { registers, state, rung } = makeRegisters()
  registers.write32(0x070, 3)
  acceptFeatures(registers, VERSION_1)
  registers.write32(0x044, 1)
  registers.write32(0x070, 0)
  t.equal(rung(), 0)
  t.equal(registers.read32(0x070), 0)
  t.equal(registers.read32(0x044), 0)
  t.equal(state.acceptedFeatures.isEmpty, true)
  registers.write32(0x070, 0)
  registers.write32(0x070, 1)
  t.equal(registers.read32(0x070), 1, 'a reset of what was reset leaves nothing pending')
})

t.test('reset after DRIVER_OK: until the device answers -> status as before, writes dropped', async (t) => {
  const { registers, state, rung } = makeRegisters()
  acceptFeatures(registers, VERSION_1)
  registers.write32(0x070, 15)
  registers.write32(0x070, 0)
  t.equal(rung(), 2)
  t.equal(registers.read32(0x070), 15)
  registers.write32(0x070, 128)
  registers.write32(0x050, 0)
  t.equal(registers.read32(0x070), 15)
  t.equal(state.takeNotified(), 0)
  registers.write32(0x070, 0)
  t.equal(rung(), 3, 'asking again is allowed')
  state.completeReset()
  t.equal(registers.read32(0x070), 0)
  registers.write32(0x070, 1)
  t.equal(registers.read32(0x070), 1)
})

t.test('queue: set up -> ready; its registers are fixed until it is not (4.2.3.2)', async (t) => {
  const { registers, state } = makeRegisters()
  registers.write32(0x030, 1)
  t.equal(registers.read32(0x034), 4)
  registers.write32(0x038, 2)
  for (const [offset, value] of [
    [0x080, 0x10],
    [0x084, 1],
    [0x090, 0x22],
    [0x094, 2],
    [0x0a0, 0x34],
    [0x0a4, 0xffff_ffff],
  ] as const)
    registers.write32(offset, value)
  t.equal(registers.read32(0x044), 0)
  registers.write32(0x044, 1)
  t.equal(registers.read32(0x044), 1)
  const expected = {
    size: 2,
    descriptorArea: 0x1_0000_0010,
    driverArea: 0x2_0000_0022,
    deviceArea: 0xffff_ffff_0000_0000 + 0x34,
  }
  t.same(state.queueAddresses(1), expected)
  registers.write32(0x038, 4)
  registers.write32(0x080, 0)
  t.same(state.queueAddresses(1), expected)
  registers.write32(0x044, 0)
  t.equal(registers.read32(0x044), 0)
  registers.write32(0x038, 4)
  t.equal(state.queueAddresses(1).size, 4)
})

t.test('queue: size 0, no power of two, above the maximum, misaligned, live -> not ready', async (t) => {
  const attempts: [number, number][] = [
    [0x038, 0],
    [0x038, 3],
    [0x038, 16],
    [0x080, 8],
    [0x090, 1],
    [0x0a0, 2],
  ]
  for (const [offset, value] of attempts) {
    const { registers } = makeRegisters()
    registers.write32(offset, value)
    registers.write32(0x044, 1)
    t.equal(registers.read32(0x044), 0, `0x${offset.toString(16)} = ${value}`)
  }
  const { registers } = makeRegisters()
  acceptFeatures(registers, VERSION_1)
  registers.write32(0x070, 15)
  registers.write32(0x044, 1)
  t.equal(registers.read32(0x044), 0, 'after DRIVER_OK')
})

t.test('queue that does not exist -> size 0, never ready, writes and notifications ignored', async (t) => {
  for (const index of [2, 31, 32, 0xffff_ffff]) {
    const { registers, state, rung } = makeRegisters()
    const before = new Uint8Array(state.memory).slice()
    registers.write32(0x030, index)
    t.equal(registers.read32(0x034), 0)
    registers.write32(0x038, 4)
    registers.write32(0x080, 0xffff_ffff)
    registers.write32(0x044, 1)
    t.equal(registers.read32(0x044), 0)
    registers.write32(0x050, index)
    t.equal(rung(), 0)
    registers.write32(0x030, 0)
    t.same(new Uint8Array(state.memory), before)
  }
})

t.test('QueueReady 0 while live -> reads 1 until the device has let go', async (t) => {
  const { registers, state, rung } = makeRegisters()
  registers.write32(0x044, 1)
  acceptFeatures(registers, VERSION_1)
  registers.write32(0x070, 15)
  registers.write32(0x044, 0)
  t.equal(registers.read32(0x044), 1)
  t.equal(rung(), 2)
  state.setQueue(0, 'ready', 0)
  t.equal(registers.read32(0x044), 0)
})

t.test('interrupt: status until acknowledged, bit by bit', async (t) => {
  const { registers, state } = makeRegisters()
  state.setInterruptBits(3)
  t.equal(registers.read32(0x060), 3)
  registers.write32(0x064, 1)
  t.equal(registers.read32(0x060), 2)
})

t.test('shared memory: region -> length and base; none -> all ones (2.10)', async (t) => {
  const { registers } = makeRegisters()
  const words = (id: number): number[] => {
    registers.write32(0x0ac, id)
    return [0x0b0, 0x0b4, 0x0b8, 0x0bc].map((offset) => registers.read32(offset))
  }
  t.same(words(0), [0x20_0000, 0, 0x8000_0000, 1])
  for (const id of [1, 3, 4, 255, 0xffff_ffff]) t.same(words(id), new Array(4).fill(0xffff_ffff))
})

t.test(
  'configuration: words in little-endian order, beyond its end 0, writes ignored, odd offset 0',
  async (t) => {
    const { registers, state } = makeRegisters()
    t.same(
      [0x100, 0x104, 0x108, 0x10c, 0x110, 0xfffc].map((offset) => registers.read32(offset)),
      [0x8000_0000, 1, 0x20_0000, 0, 0, 0],
    )
    t.equal(registers.read32(0x101), 0)
    registers.write32(0x100, 5)
    t.equal(registers.read32(0x100), 0x8000_0000)
    const generation = registers.read32(0x0fc)
    state.changeConfig(8, Uint8Array.of(1, 2, 3, 4))
    t.not(registers.read32(0x0fc), generation)
    t.equal(registers.read32(0x108), 0x04030201)
    t.throws(() => state.changeConfig(13, Uint8Array.of(1, 2, 3, 4)), RangeError)
  },
)

t.test('registers that can only be written, or do not exist -> read as 0', async (t) => {
  const { registers } = makeRegisters()
  for (const offset of [0x014, 0x020, 0x030, 0x038, 0x050, 0x064, 0x080, 0x0ac, 0x018, 0x0f8, 2])
    t.equal(registers.read32(offset), 0, `0x${offset.toString(16)}`)
})
