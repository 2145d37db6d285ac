/**
 * The guest's first process. Kernel messages go to the first serial line, what the job says to the second, which is
 * raw: the host reads what the job wrote, byte by byte. Ends with `job ended STATUS`, then powers off.
 */
export const GUEST_INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin LC_ALL=C
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod /modules/$module.ko; done < /modules/order
stty -F /dev/ttyS1 raw -echo
/usr/bin/sh -eu /job < /dev/ttyS1 > /dev/ttyS1 2> /dev/console
status=$?
echo "job ended $status" > /dev/ttyS1
poweroff -f
`

/**
 * For a job: mount_pmem DIR DISK mounts a disk by DAX; label DISK prints the name of its volume; section NAME COMMAND...
 * prints what a command prints between two lines that the host looks for.
 */
export const JOB_FUNCTIONS = `
  mount_pmem() {
    mkdir -p "$1"
    mount -t ext4 -o dax,commit=1000 "/dev/$2" "$1"
  }
  label() {
    dd if="/dev/$1" bs=1 skip=1144 count=16 2>/dev/null | busybox tr -d '\\000'
  }
  section() {
    section_name=$1
    shift
    echo "section $section_name"
    "$@"
    echo "end of section"
  }
`
