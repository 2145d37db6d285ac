/**
 * Works in the current directory until it is stopped: files come and go that nobody made durable, one is open and has
 * no name, while others are made durable, each in one of three ways, and then acknowledged: by the line that sha256sum
 * prints of it, or by `row N`. At a line `dirty N` much was written since.
 */
export const ENDLESS_WORK = `
  umask 022
  mkdir durable churn
  sqlite3 rows.db 'CREATE TABLE t(n INTEGER PRIMARY KEY, filling)'
  seq 1 50000 > churn/overwritten
  exec 8> churn/nameless
  seq 1 30000 >&8
  rm churn/nameless
  sync rows.db . durable

  churn() {
    k=0
    while :; do
      k=$((k + 1))
      d=churn/$((k % 5))
      rm -rf $d && mkdir -p $d/sub
      seq 1 $((k * 337 % 4000)) > $d/numbers
      cp $d/numbers $d/copy && ln $d/copy $d/linked && ln -s copy $d/soft
      mv $d/numbers $d/sub/moved
      truncate -s $((k * 911 % 20000)) $d/copy
      fallocate -l 65536 $d/allocated && dd if=$d/sub/moved of=$d/allocated bs=700 seek=20 conv=notrunc status=none
      setfattr -n user.round -v $k $d/sub
      seq -f "$d/sub/entry-%g" $((k % 7 * 30)) | xargs -r touch
    done
  }
  churn > /dev/null &

  n=0
  while :; do
    n=$((n + 1))
    seq $n $((n * 60)) > durable/$n && sync durable/$n
    sha256sum ./durable/$n

    seq $n $((n * 70)) > durable/new && sync durable/new
    mv durable/new durable/renamed-$n && sync durable
    sha256sum ./durable/renamed-$n

    sqlite3 rows.db "PRAGMA synchronous=EXTRA; INSERT INTO t VALUES($n, hex(randomblob(300)))"
    echo "row $n"

    rm -f churn/part-*
    seq 1 50000 > churn/large
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
      head -c $((i * 10000)) churn/large > churn/part-$i
    done
    dd if=churn/large of=churn/overwritten bs=30000 conv=notrunc status=none
    echo "dirty $n"
  done
`

/** Prints whether the rows are whole, and the last of them. Changes the tree when a transaction is to be rolled back. */
export const CHECK_ROWS = `sqlite3 rows.db 'PRAGMA integrity_check; SELECT coalesce(max(n), 0) FROM t' 2>&1 || true`

/** Whether a line that {@link ENDLESS_WORK} printed acknowledges something. */
export function acknowledges(line: string): boolean {
  return line.startsWith('row ') || line.includes('  ./durable/')
}

/** Acknowledged, and not there, by a listing and what CHECK_ROWS said. */
export function brokenPromises(acknowledged: readonly string[], listing: string, rows: string): string[] {
  const present = new Set(listing.split('\n'))
  const [integrity, last] = rows.trim().split('\n')
  const broken = acknowledged.filter((line) => !line.startsWith('row ') && !present.has(line))
  const lastRow = acknowledged.filter((line) => line.startsWith('row ')).map((line) => Number(line.slice(4)))
  if (integrity !== 'ok') broken.push(`the database: ${integrity}`)
  if (!(Number(last) >= Math.max(0, ...lastRow)))
    broken.push(`row ${Math.max(...lastRow)}: the last one is ${last}`)
  return broken
}
