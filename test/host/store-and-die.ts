/** Stores 1 to two pages of the image named by its argument and syncs; stores 2 to these and others; dies. */
import { EmulatedCache } from '../../src/host/emulated-cache.js'
import { ImageFile } from '../../src/host/image-file.js'

const cache = EmulatedCache.open(ImageFile.open(process.argv[2] as string))
const region = cache.memory.region(0)
region.store(0, new Uint8Array(8192).fill(1))
if (cache.sync() !== 0) process.exit(1)
region.store(4096, new Uint8Array(8192).fill(2))
process.kill(process.pid, 'SIGKILL')
