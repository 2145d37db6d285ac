/**
 * Fills the current directory by ordinary tools with one of everything that a file system keeps. $1: a checkout of
 * this project, to copy from.
 */
export const FILL_TREE = `
  umask 022
  cp -a "$1"/lib lib
  mkdir tree && tar -C "$1"/src -cf - guest | tar -C tree -xf -
  cp -r "$1"/package-lock.json big.json

  mkdir -p deep/a/b/c/d/e/f/g/h && echo bottom > deep/a/b/c/d/e/f/g/h/file
  mv deep/a/b moved && mv moved/c deep/a/c
  echo one > one && echo two > two && mv one two && mv two deep/three

  echo linked > first && ln first second && ln first deep/third && rm first
  ln -s second short && ln -s "$(printf 'x%.0s' $(seq 60))" slow && ln -s "$(printf 'y%.0s' $(seq 1000))" long
  ln -s ./nowhere/at/all dangling

  mkdir names && cd names
  touch -- "$(printf 'n%.0s' $(seq 255))" 'with space' 'späte Öl-名前' '-dash' '*star*'
  cd ..
  mkdir many && cd many
  seq -f 'entry-%05g' 2500 | xargs touch
  seq -f 'entry-%05g' 1 3 2500 | xargs rm
  seq -f 'again-%05g' 500 | xargs touch
  cd ..
  mkdir emptied && cd emptied && seq 400 | xargs touch && seq 400 | xargs rm && cd ..
  mkdir gone && touch gone/file && rm -r gone

  touch -d '2100-02-03 04:05:06.123456789 UTC' future
  touch -d '1969-12-31 23:59:58.5 UTC' past
  touch -a -d '2038-01-19 03:14:08.000000001 UTC' one-time && mkdir timed && touch -d '2040-01-01 UTC' timed

  truncate -s 10M hole && truncate -s 5000 short-hole
  cp big.json cut && truncate -s 1234 cut && truncate -s 60000 cut
  cp big.json emptied-file && : > emptied-file
  dd if=big.json of=sparse bs=4096 count=2 seek=100 status=none
  dd if=big.json of=sparse bs=4096 count=1 seek=5 conv=notrunc status=none
  dd if=big.json of=sparse bs=1000 count=3 seek=700 conv=notrunc status=none
  i=0; while [ $i -lt 40 ]; do printf 'piece %d' $i | dd of=fragments bs=8192 seek=$((i * 3)) conv=notrunc status=none; i=$((i + 1)); done
  fallocate -l 1M allocated && dd if=big.json of=allocated bs=4096 count=3 seek=20 conv=notrunc status=none
  echo start > kept && fallocate -n -l 2M kept
  cp big.json punched && fallocate -p -o 8192 -l 20480 punched && fallocate -p -o 40000 -l 100 punched
  cp big.json zeroed && fallocate -z -o 5000 -l 30000 zeroed
  for i in 1 2 3 4 5 6 7 8 9; do cat "$1"/README.md; done >> appended && echo end >> appended

  mkfifo fifo && mknod block b 8 300 && mknod char c 300 70000
  chmod 4755 deep/three && chmod 1777 many && chmod 000 cut && chmod g+s timed
  chown 12345:70000 hole && chown -h 99999:4000000000 short && chown 1:1 tree

  setfattr -n user.short -v value one-time && setfattr -n user.long -v "$(printf 'v%.0s' $(seq 700))" big.json
  setfattr -n user.empty future && setfattr -n trusted.hidden -v unseen lib && setfattr -h -n trusted.link -v x dangling
  for i in 1 2 3 4 5 6 7 8; do setfattr -n user.number-$i -v "$i$i$i$i" past; done && setfattr -x user.number-3 past
  setfacl -m u:12345:rw,g:100:r appended && setfacl -d -m u:12345:rwx,g::r tree && touch tree/inherits && mkdir tree/heir

`
