import { constants } from 'node:os'
import t from 'tap'
import { CorruptError, E, errnoName, FsError, UnsupportedError } from '../../lib/errno.js'

t.test('E: every number -> as the C library has it', async (t) => {
  const known: Record<string, number> = constants.errno
  for (const [name, value] of Object.entries(E)) {
    // One number with two names on Linux.
    t.equal(errnoName(value), name === 'ENOTSUP' ? 'EOPNOTSUPP' : name)
    if (name in known) t.equal(value, known[name], name)
  }
  t.equal(errnoName(9999), undefined)
})

t.test('FsError: code -> the shape of a system error of Node', async (t) => {
  const cause = new Error('below')
  const error = new FsError('ENOENT', 'no such file', { syscall: 'open', path: '/x', cause })
  t.match(error, { code: 'ENOENT', errno: -2, syscall: 'open', path: '/x', cause, name: 'FsError' })
  t.equal(error.message, 'ENOENT: no such file')
  t.equal(new FsError('EIO').message, 'EIO')
  t.notOk('path' in new FsError('EIO') && new FsError('EIO').path !== undefined)
})

t.test('CorruptError: where and what -> all in fields, checksum is EBADMSG', async (t) => {
  const corruption = { structure: 'inode', field: 'i_mode', ino: 12, block: 5, found: 0, expected: 'a type' }
  const error = new CorruptError(corruption)
  t.match(error, { code: 'EUCLEAN', errno: -117, corruption, name: 'CorruptError' })
  for (const part of ['inode', '12', '5', 'i_mode', '0', 'a type']) t.ok(error.message.includes(part), part)
  t.equal(new CorruptError(corruption, 'EBADMSG').errno, -74)
  t.type(error, FsError)
})

t.test('UnsupportedError: features -> named', async (t) => {
  const error = new UnsupportedError('cannot mount', ['encrypt', 'casefold'])
  t.match(error, { code: 'EINVAL', features: ['encrypt', 'casefold'] })
  t.match(error.message, /encrypt, casefold/)
})
