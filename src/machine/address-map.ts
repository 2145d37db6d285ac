/** Guest-physical addresses of this machine. */

/** RAM: only rings and requests live in it, as the guest's own data is JavaScript's. */
export const RAM_START = 0
/** Bytes. */
export const RAM_SIZE = 256 * 1024
/** Persistent memory: above 4 GiB, as hypervisors place it. */
export const PMEM_START = 0x1_0000_0000
