/**
 * Lists a tree: for each file, in the order of their names, name, type and mode, owner, size, blocks, links, inode,
 * times of change and birth, device number, target of a link, extended attributes (ACLs are some of them), and the
 * SHA-256 of each regular file. For two trees to be compared byte and attribute. Names have no line feed.
 */
export const LIST_TREE = `
  export LC_ALL=C
  find . -print0 | sort -z |
    xargs -0 stat --printf '%n  mode=%f owner=%u:%g size=%s blocks=%b links=%h ino=%i mtime=%y ctime=%z btime=%w dev=%t:%T\\n'
  find . -type l -printf '%p -> %l\\n' | sort
  find . -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex |
    awk '/^# file: / { file = substr($0, 9); next } NF { print file, $0 }'
  find . -type f -print0 | sort -z | xargs -0 -r sha256sum
`

/** The same without what two copies of a tree differ in. */
export const LIST_COPY = `
  export LC_ALL=C
  find . -path ./lost+found -prune -o ! -type d -print0 | sort -z | xargs -0 stat --printf '%n  mode=%f owner=%u:%g size=%s links=%h mtime=%y dev=%t:%T\\n'
  find . -type l -printf '%p -> %l\\n' | sort
  find . -type f -print0 | sort -z | xargs -0 -r sha256sum
`

/** The lines of one listing that are not in the other: `<` only in the first, `>` only in the second. */
export function differences(first: string, second: string): string[] {
  const [ofFirst, ofSecond] = [new Set(first.split('\n')), new Set(second.split('\n'))]
  return [
    ...[...ofFirst].filter((line) => !ofSecond.has(line)).map((line) => `< ${line}`),
    ...[...ofSecond].filter((line) => !ofFirst.has(line)).map((line) => `> ${line}`),
  ]
}
