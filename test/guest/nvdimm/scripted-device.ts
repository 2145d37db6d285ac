import { DmaMemory } from '../../../src/bus/dma-memory.js'
import { InlineDoorbell } from '../../../src/bus/doorbell.js'
import { GuestMemory } from '../../../src/bus/guest-memory.js'
import { InlineInterruptLine } from '../../../src/bus/interrupt-line.js'
import { PmemRegion } from '../../../src/bus/pmem-region.js'
import type { VirtioPmemOptions } from '../../../src/guest/nvdimm/virtio-pmem.js'
import { VirtioPmem } from '../../../src/guest/nvdimm/virtio-pmem.js'
import type { DescriptorChain } from '../../../src/virtio/descriptor-chain.js'
import type { DeviceActivation, VirtioDevice, VirtioDeviceIdentity } from '../../../src/virtio/device.js'
import { FeatureSet, VIRTIO_F_EVENT_IDX } from '../../../src/virtio/features.js'
import { VirtioMmioDevice } from '../../../src/virtio/mmio-device.js'
import { VirtioMmioRegisters } from '../../../src/virtio/mmio-registers.js'
import { VirtioMmioState } from '../../../src/virtio/mmio-state.js'
import { VirtioMmioTransport } from '../../../src/virtio/mmio-transport.js'
import { VirtioPmemConfig } from '../../../src/virtio/pmem.js'

export const START = 0x1_4000_0000
export const SIZE = 16 * 4096

/** A device that takes every request and does with it what the test says, when the test says it. */
export class ScriptedDevice implements VirtioDevice {
  readonly identity: VirtioDeviceIdentity
  /** Taken and not yet answered, in order. */
  readonly chains: DescriptorChain[] = []
  /** Answers at once with this `ret`, when it is set. */
  autoRet: number | undefined
  #activation: DeviceActivation | undefined

  constructor(identity: Partial<VirtioDeviceIdentity> = {}) {
    const config = new Uint8Array(VirtioPmemConfig.SIZE)
    VirtioPmemConfig.start.set(new DataView(config.buffer), 0, START)
    VirtioPmemConfig.size.set(new DataView(config.buffer), 0, SIZE)
    const features = FeatureSet.of(VIRTIO_F_EVENT_IDX)
    this.identity = { deviceId: 27, features, queueSizeMax: [8], config, ...identity }
  }

  get features(): FeatureSet | undefined {
    return this.#activation?.features
  }

  activate(activation: DeviceActivation): void {
    this.#activation = activation
  }

  notify(): void {
    const queue = this.#activation?.queues[0]
    if (queue === undefined) return
    do {
      for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) this.chains.push(chain)
    } while (queue.enableNotification())
    if (this.autoRet === undefined) return
    for (let left = this.chains.length; left > 0; left--) this.answer(this.autoRet)
  }

  reset(): void {
    this.#activation = undefined
    this.chains.length = 0
  }

  /** Answers the request that was taken `place`-th, saying that `length` bytes of response were written. */
  answer(ret: number, length = 4, place = 0): void {
    const chain = this.chains.splice(place, 1)[0]
    const activation = this.#activation
    if (chain === undefined || activation === undefined) throw new Error('nothing to answer')
    if (length > 0) chain.write32(0, ret)
    activation.queues[0]?.addUsed(chain.head, length)
    if (activation.queues[0]?.needsInterrupt() === true) activation.transport.notifyUsed()
  }

  /** As a device that lost its way. */
  needReset(): void {
    this.#activation?.transport.needsReset()
  }
}

/** A guest with one scripted device, all in this thread. */
export interface ScriptedMachine {
  device: ScriptedDevice
  dma: DmaMemory
  region: PmemRegion
  transport: VirtioMmioTransport
  interrupt: InlineInterruptLine
  doorbell: InlineDoorbell
  /** The guest's clock, in ms. */
  clock: { now: number }
  options: VirtioPmemOptions
}

export function scriptedMachine(device = new ScriptedDevice()): ScriptedMachine {
  const memory = new GuestMemory({ size: 1 << 16 })
  const state = VirtioMmioState.create(device.identity)
  const interrupt = new InlineInterruptLine()
  const doorbell = new InlineDoorbell()
  const host = new VirtioMmioDevice({ state, device, memory, interrupt })
  doorbell.handler = () => host.process()
  const transport = new VirtioMmioTransport(new VirtioMmioRegisters(state, doorbell), { attempts: 10 })
  const dma = new DmaMemory(memory)
  const region = new PmemRegion({ start: START, size: SIZE, memory: [new ArrayBuffer(SIZE)] })
  const clock = { now: 0 }
  const memoryAt: VirtioPmemOptions['memoryAt'] = ({ start, size }) =>
    start === START && size === SIZE ? region : undefined
  const options = { transport, dma, memoryAt, now: () => clock.now, timeout: 1000 }
  return { device, dma, region, transport, interrupt, doorbell, clock, options }
}

/** Probes the driver and wires its interrupt. */
export function probe(machine: ScriptedMachine): VirtioPmem {
  const driver = VirtioPmem.probe(machine.options)
  machine.interrupt.handler = () => driver.handleInterrupt()
  return driver
}
