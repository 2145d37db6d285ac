import { testAgainstModel } from './model.js'

testAgainstModel('the default', ['-b', '4096'])
testAgainstModel('orphan file and checksum seed', ['-b', '4096', '-O', 'orphan_file,metadata_csum_seed'])
testAgainstModel('blocks of 1 KiB', ['-b', '1024'])
testAgainstModel('no checksums', ['-b', '2048', '-O', '^metadata_csum,uninit_bg'])
testAgainstModel('32 bits, no flex_bg, no dir_index', ['-b', '1024', '-O', '^64bit,^flex_bg,^dir_index'])
testAgainstModel('inodes of 128 bytes', ['-b', '4096', '-I', '128'])
