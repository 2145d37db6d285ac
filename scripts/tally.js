/**
 * Counts the assertions of a TAP file and prints them as the last line, before it what the tests about power failures
 * looked at. Exits 1 when an assertion failed or none passed.
 */
import { readFileSync } from 'node:fs'
import { Parser } from 'tap-parser'

const text = readFileSync(process.argv[2], 'utf8')
const counts = { passed: 0, failed: 0, skipped: 0 }
for (const [event, result] of Parser.parse(text, { flat: true })) {
  if (event !== 'assert') continue
  if (result.skip) counts.skipped++
  else if (result.ok || result.todo) counts.passed++
  else {
    counts.failed++
    console.log(`failed: ${result.fullname} > ${result.name}`)
    for (const part of [result.diag?.stack, result.diag?.diff])
      if (typeof part === 'string') console.log(part.trimEnd().slice(0, 2000).replace(/^/gm, '    '))
  }
}

/** As src/crash/summary.ts writes them. */
const COUNTS =
  /# (\d+) workloads, (\d+) crash states .*?, (\d+) crashes during recovery, (\d+) distinct trees, ([\d.]+) s of CPU time/g

// The reporter leaves the cursor in the middle of a line.
console.log()
const crash = [0, 0, 0, 0, 0]
for (const [, ...numbers] of text.matchAll(COUNTS))
  numbers.forEach((number, index) => {
    crash[index] += Number(number)
  })
const [workloads, states, recoveries, trees, seconds] = crash
if (workloads > 0) {
  const rate = Math.round((states + recoveries) / seconds)
  const breaks = text.match(/# deliberate break caught/g)?.length ?? 0
  console.log(
    `power failures: ${workloads} workloads, ${states} crash states, ${recoveries} crashes during recovery, ${trees} distinct trees, ${rate} states/s of CPU time, ${breaks} deliberate breaks caught`,
  )
}
console.log(`${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`)
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0
