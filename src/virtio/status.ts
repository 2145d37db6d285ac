/** Device status bits. virtio 1.2, 2.1 "Device Status Field". 0 is the state after a reset. */
export const VIRTIO_CONFIG_S_ACKNOWLEDGE = 1
export const VIRTIO_CONFIG_S_DRIVER = 2
export const VIRTIO_CONFIG_S_DRIVER_OK = 4
export const VIRTIO_CONFIG_S_FEATURES_OK = 8
export const VIRTIO_CONFIG_S_NEEDS_RESET = 64
export const VIRTIO_CONFIG_S_FAILED = 128

/** Interrupt status bits. virtio 1.2, 4.2.2 "MMIO Device Register Layout", InterruptStatus. */
export const VIRTIO_INT_VRING = 1
export const VIRTIO_INT_CONFIG = 2
