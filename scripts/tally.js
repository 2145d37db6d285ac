/** Counts the assertions of a TAP file and prints them as the last line. Exits 1 when one failed or none passed. */
import { readFileSync } from 'node:fs'
import { Parser } from 'tap-parser'

const counts = { passed: 0, failed: 0, skipped: 0 }
for (const [event, result] of Parser.parse(readFileSync(process.argv[2], 'utf8'), { flat: true })) {
  if (event !== 'assert') continue
  if (result.skip) counts.skipped++
  else if (result.ok || result.todo) counts.passed++
  else {
    counts.failed++
    console.log(`failed: ${result.fullname} > ${result.name}`)
  }
}
// The reporter leaves the cursor in the middle of a line.
console.log(`\n${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`)
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0
