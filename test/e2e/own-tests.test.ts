import t from 'tap'
import { ImageFile } from './mounted-image.js'
import { CHECKOUT, cannotMount } from './prerequisites.js'

const skip = cannotMount()
t.setTimeout(400_000)

/**
 * $1: the checkout. Its files as they are now, its packages by npm, its build, and the tests of its lowest floors. Not
 * `npm ci`, for the reason that scripts/setup names.
 */
const TEST_IT = `
  mkdir project && cd "$1"
  git ls-files -z | tar --null -T - -cf - | tar -C "$OLDPWD"/project -xf -
  cd "$OLDPWD"/project
  # A test that finds itself below tap leaves its totals to tap.
  unset $(env | sed -n 's/^\\(TAP[A-Z_]*\\)=.*/\\1/p')
  npm install --no-save --prefer-offline --no-audit --no-fund --loglevel=error > /dev/null
  ./node_modules/.bin/tsc -p .
  for test in $(find dist/test/lib dist/test/bus dist/test/virtio -name '*.test.js'); do
    node "$test" > log || { cat log >&2; exit 1; }
    grep '^# {' log
  done
`

t.test(
  "npm installs this project's packages, builds it, and its tests pass from the mount",
  { skip },
  async (t) => {
    const image = new ImageFile(t)
    await image.mkfs('1G')
    const mounted = await image.mount()
    const reports = (await mounted.run(TEST_IT, CHECKOUT)).trim().split('\n')
    t.ok(reports.length > 15, `${reports.length} test files`)
    for (const report of reports) t.match(report, /^# \{ total: (\d+), pass: \1 \}$/)
    await mounted.umount()
    t.equal(await image.complaints(), '', 'e2fsck')
  },
)
