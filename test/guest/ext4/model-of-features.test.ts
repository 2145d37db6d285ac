import { testAgainstModel } from './model.js'

testAgainstModel('data in inodes', ['-b', '4096', '-O', 'inline_data'])
testAgainstModel('data in inodes of 512 bytes, no dir_index', [
  '-b',
  '1024',
  '-I',
  '512',
  '-O',
  'inline_data,^dir_index',
])
testAgainstModel('clusters of 16 KiB', ['-b', '4096', '-O', 'bigalloc', '-C', '16384'])
testAgainstModel('clusters of 64 small blocks', ['-b', '1024', '-O', 'bigalloc', '-C', '65536'])
testAgainstModel('data in inodes and clusters', ['-b', '1024', '-O', 'inline_data,bigalloc', '-C', '8192'])
testAgainstModel('indirect blocks', ['-b', '1024', '-O', '^extent,^64bit'], ['ENOSPC', 'EOPNOTSUPP'])
