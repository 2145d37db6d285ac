/** A host thread over memory that another thread mapped: writes back and syncs until it is told to end. */
import { parentPort, workerData } from 'node:worker_threads'
import { EmulatedCache } from '../../src/host/emulated-cache.js'
import { HostMemory } from '../../src/host/host-memory.js'
import { ImageFile } from '../../src/host/image-file.js'

const { image, memory, stop } = workerData
const cache = new EmulatedCache(ImageFile.attach(image), HostMemory.attach(memory))
const flag = new Int32Array(stop)
let result = 0
let turns = 0
parentPort?.postMessage('ready')
for (; Atomics.load(flag, 0) === 0 && result === 0; turns++) {
  result = turns % 8 === 0 ? cache.sync() : cache.writeBack()
}
parentPort?.postMessage({ result, turns })
