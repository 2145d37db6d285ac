/**
 * Writes to a database in its own process, each write acknowledged durable before its number is printed; or checks one.
 *   node embedded-writer.js lmdb|leveldb work|check PATH [FIRST]
 */
import { ClassicLevel } from 'classic-level'
import { open } from 'lmdb'

interface Database {
  /** Resolves when it is durable. */
  put(key: number, value: string): Promise<unknown>
  entries(): AsyncIterable<[number, string]> | Iterable<[number, string]>
  close(): Promise<void>
}

function lmdb(path: string): Database {
  const db = open<string, number>({ path, mapSize: 16 << 20, overlappingSync: false })
  return {
    put: (key, value) => db.put(key, value),
    *entries() {
      for (const { key, value } of db.getRange()) yield [key, value]
    },
    close: () => db.close(),
  }
}

function leveldb(path: string): Database {
  const db = new ClassicLevel<string, string>(path, { writeBufferSize: 64 << 10 })
  return {
    put: (key, value) => db.put(`${key}`.padStart(8, '0'), value, { sync: true }),
    async *entries() {
      for await (const [key, value] of db.iterator()) yield [Number(key), value]
    },
    close: () => db.close(),
  }
}

/** What belongs to a key: long enough for logs to be compacted and pages to split. */
const contentOf = (key: number): string => `value ${key} `.repeat(1 + (key % 40))

const [engine, action, place, first] = process.argv.slice(2)
if (place === undefined) throw new Error('engine, action and path are wanted')
const database = engine === 'lmdb' ? lmdb(place) : leveldb(place)
if (action === 'work') {
  for (let key = Number(first); ; key++) {
    await database.put(key, contentOf(key))
    process.stdout.write(`${key}\n`)
  }
}
const keys: number[] = []
let wrong = 0
for await (const [key, value] of database.entries()) {
  keys.push(key)
  if (value !== contentOf(key)) wrong++
}
await database.close()
console.log(JSON.stringify({ keys, wrong }))
