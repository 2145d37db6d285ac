import type { BlockDevice } from '../../block/block-device.js'

const CHUNK = 1 << 16
const ZEROES = new Uint8Array(CHUNK)

/**
 * Makes `length` bytes at `offset` zero. What is zero already is not stored to: a sparse image stays sparse, and
 * nothing has to be written back.
 */
export function zeroRange(device: BlockDevice, offset: number, length: number): void {
  for (let done = 0; done < length; ) {
    const { bytes, at } = device.directAccess(offset + done)
    const part = Math.min(length - done, CHUNK, bytes.length - at)
    const chunk = bytes.subarray(at, at + part)
    if (Buffer.compare(chunk, part === CHUNK ? ZEROES : ZEROES.subarray(0, part)) !== 0)
      device.zero(offset + done, part)
    done += part
  }
}
