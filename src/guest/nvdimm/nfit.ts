import { FsError } from '../../../lib/errno.js'
import type { PmemRegion } from '../../bus/pmem-region.js'
import { NdRegion } from './nd-region.js'

/**
 * Persistent memory that the platform's NFIT table describes (ACPI 6.5, 5.2.25): the platform itself sees to it that
 * stores become durable, so a flush asks no device and takes no queue. `persist` is the platform: 0 or -errno.
 */
export function nfitRegion(region: PmemRegion, persist: () => number): NdRegion {
  return new NdRegion(region, 'ACPI.NFIT', async () => {
    const result = persist()
    if (result !== 0) throw new FsError('EIO', `nfit: flush failed: ${result}`)
  })
}
