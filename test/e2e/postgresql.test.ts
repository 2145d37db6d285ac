import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ImageFile } from './mounted-image.js'
import { cutAfter } from './power-cut.js'
import { cannotMount } from './prerequisites.js'
import { execute, run } from './program.js'

const skip = cannotMount()
t.setTimeout(180_000)

/** pgbench's transaction over and over, with a line for each that the server has committed. */
const WORK = `#!/bin/sh
export PGHOST="$1" PGDATABASE=bench PGUSER=postgres
n=1; while [ $n -lt 5000 ]; do
  echo "BEGIN;
    UPDATE pgbench_accounts SET abalance = abalance + $n WHERE aid = $n;
    UPDATE pgbench_tellers SET tbalance = tbalance + $n WHERE tid = 1;
    UPDATE pgbench_branches SET bbalance = bbalance + $n WHERE bid = 1;
    INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, $n, $n, CURRENT_TIMESTAMP);
    COMMIT;"
  echo '\\\\echo done'
  n=$((n + 1))
done | psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --file=-
`

/** $1: a place for the socket. As the user that Debian's package made: PostgreSQL refuses to be root. */
const POSTGRES = `
  sockets="$1"; shift
  as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
  export PATH="$(echo /usr/lib/postgresql/*/bin):$PATH" PGHOST="$sockets" PGDATABASE=bench PGUSER=postgres
  start() { as pg_ctl --pgdata=data --log=data/log --wait --options="-k $sockets -c listen_addresses=''" start || { tail -n 20 data/log >&2; exit 1; }; }
  totals() {
    psql -Atc 'select (select count(*) from pgbench_history), (select coalesce(sum(delta), 0) from pgbench_history),
      (select sum(abalance) from pgbench_accounts), (select sum(tbalance) from pgbench_tellers),
      (select sum(bbalance) from pgbench_branches)'
  }
`
const CREATE_CLUSTER = `${POSTGRES}
  mkdir data && chown postgres: data
  as initdb --pgdata=data --auth=trust --data-checksums --wal-segsize=1
  start
  createdb bench
  pgbench --initialize --scale=1 --quiet
`
const RECOVER_CLUSTER = `${POSTGRES}
  rm -f data/postmaster.pid "$sockets"/.s.PGSQL.*
  start
  pg_amcheck --install-missing --database=bench
`

t.test(
  'PostgreSQL: pgbench, an immediate stop, a power failure -> recovers to what it acknowledged',
  { skip },
  async (t) => {
    const image = new ImageFile(t)
    chmodSync(image.place, 0o777)
    await image.mkfs('256M')
    const mounted = await image.mount()
    const postgres = (script: string): Promise<string> => mounted.run(script, image.place)
    await postgres(CREATE_CLUSTER)
    t.teardown(() =>
      postgres(`${POSTGRES} as pg_ctl --pgdata=data --mode=immediate stop || true`).catch(() => {}),
    )

    await postgres(
      `${POSTGRES} pgbench --client=4 --transactions=25 --no-vacuum; as pg_ctl --pgdata=data --mode=immediate stop`,
    )
    await postgres(RECOVER_CLUSTER)
    const [count, ...sums] = (await postgres(`${POSTGRES} totals`)).trim().split('|')
    t.equal(count, '100', 'after an immediate stop all 100 transactions are there')
    t.equal(new Set(sums).size, 1, `the four sums are one: ${sums}`)

    const server = (await postgres('head -n 1 data/postmaster.pid')).trim()
    const script = join(image.place, 'one.sh')
    await run('sh', ['-c', 'cat > "$0"; chmod 755 "$0"', script], { input: WORK })
    const acknowledged = await cutAfter(mounted, 40, script, [image.place])
    t.same([...new Set(acknowledged)], ['done'])
    await execute('kill', ['-KILL', '--', `-${server}`])
    await postgres(RECOVER_CLUSTER)
    const [after, ...sumsAfter] = (await postgres(`${POSTGRES} totals`)).trim().split('|')
    t.ok(
      Number(after) >= 100 + acknowledged.length,
      `${after} transactions, ${acknowledged.length} acknowledged`,
    )
    t.equal(new Set(sumsAfter).size, 1, `the four sums are one: ${sumsAfter}`)
    await postgres(`${POSTGRES} as pg_ctl --pgdata=data --mode=fast --wait stop`)
    await mounted.umount()
    t.equal(await image.complaints(), '', 'e2fsck')
  },
)
