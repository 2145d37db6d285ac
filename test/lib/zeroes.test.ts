import fc from 'fast-check'
import t from 'tap'
import { endOfNonZero } from '../../lib/zeroes.js'

t.test(
  'endOfNonZero: any bytes and range -> all behind it is zero, and no whole word before it',
  async (t) => {
    const part = fc.uint8Array({ maxLength: 20 })
    const report = fc.defaultReportMessage(
      fc.check(
        fc.property(part, fc.nat(40), part, fc.nat(7), (head, zeroes, behind, from) => {
          const bytes = Uint8Array.from([...head, ...new Uint8Array(zeroes), ...behind])
          const to = bytes.length - behind.length
          if (from > to) return true
          const end = endOfNonZero(bytes, from, to)
          if (end < from || end > to || bytes.subarray(end, to).some((byte) => byte !== 0)) return false
          if (to % 4 !== 0) return end === to
          return end - from < 4 || bytes.subarray(end - 4, end).some((byte) => byte !== 0)
        }),
      ),
    )
    t.equal(report, undefined)
  },
)
