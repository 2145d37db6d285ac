import t from 'tap'
import { Prng } from '../../lib/prng.js'
import { SEQUENCES_OF_ONE, SEQUENCES_OF_TWO, sequencesOfTwo } from '../../src/crash/ace.js'

t.test('sequences of two: as many as there are -> each of them once, in an order of the seed', (t) => {
  const take = (seed: number): string[] => {
    const sequences = sequencesOfTwo(new Prng(seed))
    return Array.from({ length: SEQUENCES_OF_TWO }, () => sequences.next().value)
  }
  const [first, again, other] = [take(1), take(1), take(2)]
  const all = new Set(SEQUENCES_OF_ONE.flatMap((one) => SEQUENCES_OF_ONE.map((two) => `${one}; ${two}`)))
  t.equal(all.size, SEQUENCES_OF_TWO)
  t.same(new Set(first), all)
  t.same(new Set(other), all)
  t.same(first, again)
  t.not(first[0], other[0])
  t.end()
})
