/** Floors: a folder imports its own floor's files and those of lower floors only. */
const floors = [
  ['lib'],
  ['src/bus'],
  ['src/virtio'],
  ['src/host', 'src/guest/block', 'src/guest/vfs'],
  ['src/guest/nvdimm', 'src/guest/jbd2', 'src/guest/syscall'],
  ['src/guest/ext4'],
  ['src/fuse', 'src/node-fs', 'src/crash'],
  ['src/machine'],
  ['src/cli', 'src/index'],
]

const within = (folders) => `^(${folders.join('|')})(/|\\.ts$)`

const upward = floors.flatMap((floor, level) => {
  const above = floors.slice(level + 1).flat()
  return above.length === 0
    ? []
    : [
        {
          name: `floor-${level}-imports-upward`,
          severity: 'error',
          from: { path: within(floor) },
          to: { path: within(above) },
        },
      ]
})

/** Folders of one floor that may not see each other. */
const siblings = floors.flatMap((floor) =>
  floor.map((folder) => ({
    name: `${folder.replaceAll('/', '-')}-imports-its-sibling`,
    severity: 'error',
    from: { path: within([folder]) },
    to: { path: within(floor.filter((other) => other !== folder).concat('^$')) },
  })),
)

module.exports = {
  forbidden: [
    ...upward,
    ...siblings.filter(
      (rule) => rule.name !== 'lib-imports-its-sibling' && rule.name !== 'src-cli-imports-its-sibling',
    ),
    {
      name: 'no-circle',
      comment:
        'Asked of the compiled files: two sources may name each other as types, none may need the other to load.',
      severity: 'error',
      from: { path: '^dist/' },
      to: { circular: true },
    },
    {
      name: 'host-and-guest-meet-in-machine-only',
      severity: 'error',
      from: { path: '^src/host/' },
      to: { path: '^src/guest/' },
    },
    {
      name: 'guest-never-imports-host',
      severity: 'error',
      from: { path: '^src/guest/' },
      to: { path: '^src/host/' },
    },
    {
      name: 'fuse-sees-only-vfs',
      severity: 'error',
      from: { path: '^src/fuse/' },
      to: { path: '^src/(guest/(?!vfs/)|host/|virtio/|bus/)' },
    },
    {
      name: 'syscall-sees-only-vfs',
      severity: 'error',
      from: { path: '^src/guest/syscall/' },
      to: { path: '^src/(guest/(?!vfs/|syscall/)|host/|virtio/|bus/)' },
    },
    {
      name: 'node-fs-sees-only-syscalls',
      severity: 'error',
      from: { path: '^src/node-fs/' },
      to: { path: '^src/(guest/(?!vfs/|syscall/)|host/|virtio/|bus/)' },
    },
    {
      name: 'libc-is-the-only-ffi',
      severity: 'error',
      from: { path: '^(src|lib|test)/', pathNot: '^lib/libc\\.ts$' },
      to: { path: 'node_modules/koffi' },
    },
    {
      name: 'lib-imports-only-node-and-lib',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/libc\\.ts$' },
      to: { path: 'node_modules' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
    moduleSystems: ['es6'],
  },
}
