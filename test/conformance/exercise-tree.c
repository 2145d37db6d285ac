/*
 * exercise-tree DIRECTORY SEED OPERATIONS PROCESSES MODE
 *
 * MODE "run": each process does random operations on names in a subtree of its own, whose outcomes a model foretells,
 * and some in a directory that all share, whose outcomes nobody knows. MODE "verify": only the models do the same
 * operations; the subtrees must look as they say. Prints the first difference and exits 1.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tree-model.h"

#define BYTES 20000

static int dry, process;
static long done;
static char last[512];

static void fail(const char *what, const char *path, int found, int expected)
{
	printf("difference: process %d, operation %ld (%s): %s %s: %s, expected %s\n", process, done, last, what, path,
	       found ? strerrorname_np(found) : "ok", expected ? strerrorname_np(expected) : "ok");
	fflush(stdout);
	_exit(1);
}

static void check(const char *what, const char *path, int rc, int expected)
{
	int found = rc < 0 ? errno : 0;

	if (!dry && found != expected)
		fail(what, path, found, expected);
}

static void path_of(int dir, int name, char *path)
{
	char parts[NODES * 4 + 16] = "", part[16];

	while (dir != 1) {
		int parent = nodes[dir].parent, at = 0, length;

		while (nodes[parent].entries[at] != dir)
			at++;
		length = sprintf(part, "n%d/", at);
		memmove(parts + length, parts, strlen(parts) + 1);
		memcpy(parts, part, length);
		dir = parent;
	}
	sprintf(path, "p%d/%sn%d", process, parts, name);
}

static void make(enum kind kind, int dir, int name, const char *path)
{
	int *entry = &nodes[dir].entries[name], there = *entry != 0, fd, rc = 0;

	if (!there && (*entry = new_node(kind, dir)) == 0)
		return;
	if (!there && kind == DIRECTORY)
		nodes[dir].links++;
	if (dry)
		return;
	if (kind == DIRECTORY) {
		rc = mkdir(path, 0755);
	} else if (kind == LINK) {
		rc = symlink("somewhere/else", path);
	} else {
		rc = fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd >= 0)
			close(fd);
	}
	check("make", path, rc, there ? EEXIST : 0);
}

static void remove_name(int dir, int name, const char *path, int as_directory)
{
	int *entry = &nodes[dir].entries[name], node = *entry, expected = 0;

	if (node == 0)
		expected = ENOENT;
	else if (as_directory)
		expected = nodes[node].kind != DIRECTORY ? ENOTDIR : !is_empty(node) ? ENOTEMPTY : 0;
	else if (nodes[node].kind == DIRECTORY)
		expected = EISDIR;
	if (!dry)
		check("remove", path, as_directory ? rmdir(path) : unlink(path), expected);
	if (expected != 0)
		return;
	*entry = 0;
	if (as_directory)
		nodes[dir].links--;
	drop(node);
}

static void rename_name(int dir, int name, const char *path, int exchange)
{
	int to_dir = pick_dir(), to_name = random_below(NAMES);
	int from = nodes[dir].entries[name], to = nodes[to_dir].entries[to_name];
	int expected = rename_error(dir, from, to_dir, to, exchange);
	char to_path[NODES * 4 + 64];

	path_of(to_dir, to_name, to_path);
	snprintf(last, sizeof last, "rename %.200s %.200s %d", path, to_path, exchange);
	if (!dry)
		check("rename", path, renameat2(AT_FDCWD, path, AT_FDCWD, to_path, exchange ? RENAME_EXCHANGE : 0), expected);
	if (expected != 0 || from == to)
		return;
	move(from, dir, to_dir);
	if (exchange) {
		move(to, to_dir, dir);
	} else if (to != 0) {
		if (nodes[to].kind == DIRECTORY)
			nodes[to_dir].links--;
		drop(to);
	}
	nodes[dir].entries[name] = exchange ? to : 0;
	nodes[to_dir].entries[to_name] = from;
}

static void link_name(int dir, int name, const char *path)
{
	int to_dir = pick_dir(), to_name = random_below(NAMES), node = nodes[dir].entries[name], expected = 0;
	char to_path[NODES * 4 + 64];

	path_of(to_dir, to_name, to_path);
	if (node == 0)
		expected = ENOENT;
	else if (nodes[to_dir].entries[to_name] != 0)
		expected = EEXIST;
	else if (nodes[node].kind == DIRECTORY)
		expected = EPERM;
	if (!dry)
		check("link", to_path, link(path, to_path), expected);
	if (expected != 0)
		return;
	nodes[to_dir].entries[to_name] = node;
	nodes[node].links++;
}

/* Cuts the file, writes it anew as one byte repeated, or syncs it. */
static void change_data(int dir, int name, const char *path, unsigned int how)
{
	static char bytes[BYTES];
	struct node *node = &nodes[nodes[dir].entries[name]];
	long size = random_below(BYTES);
	unsigned char fill = random_below(256);
	int fd;

	if (nodes[dir].entries[name] == 0 || node->kind != FILE_NODE)
		return;
	if (how == 0) {
		if (size < node->size)
			node->size = size;
		if (!dry)
			check("truncate", path, truncate(path, node->size), 0);
		return;
	}
	if (how == 1)
		node->size = size, node->fill = fill;
	if (dry)
		return;
	fd = open(path, how == 1 ? O_WRONLY | O_TRUNC : O_WRONLY);
	check("open", path, fd, 0);
	memset(bytes, fill, size);
	if (how == 1 && write(fd, bytes, size) != size)
		fail("write", path, errno, 0);
	if (how == 2)
		check("fsync", path, fsync(fd), 0);
	check("close", path, close(fd), 0);
}

static void compare_data(const char *path, const struct node *node)
{
	static unsigned char bytes[BYTES];
	int fd = open(path, O_RDONLY);

	check("open", path, fd, 0);
	if (read(fd, bytes, BYTES) != node->size)
		fail("read", path, errno ? errno : EIO, 0);
	for (long at = 0; at < node->size; at++)
		if (bytes[at] != node->fill)
			fail("content", path, EIO, 0);
	close(fd);
}

static void compare_node(int dir, int name)
{
	char path[NODES * 4 + 64];
	struct stat found;
	int at = nodes[dir].entries[name], rc;
	const struct node *node = &nodes[at];
	mode_t type = node->kind == DIRECTORY ? S_IFDIR : node->kind == LINK ? S_IFLNK : S_IFREG;

	path_of(dir, name, path);
	rc = lstat(path, &found);
	check("lstat", path, rc, at == 0 ? ENOENT : 0);
	if (dry || at == 0)
		return;
	if ((found.st_mode & S_IFMT) != type || found.st_nlink != (nlink_t)node->links)
		fail("type or links", path, EMLINK, 0);
	if (node->kind == FILE_NODE && found.st_size != node->size)
		fail("size", path, EFBIG, 0);
	if (node->kind == FILE_NODE)
		compare_data(path, node);
}

static void compare_directory(int dir)
{
	char path[NODES * 4 + 64];
	struct dirent *entry;
	int left = 0, name;
	DIR *open_dir;

	if (dry)
		return;
	path_of(dir, 0, path);
	strrchr(path, '/')[1] = 0;
	open_dir = opendir(path);
	if (open_dir == NULL)
		fail("opendir", path, errno, 0);
	for (name = 0; name < NAMES; name++)
		left += nodes[dir].entries[name] != 0;
	while ((entry = readdir(open_dir)) != NULL)
		if (sscanf(entry->d_name, "n%d", &name) == 1 && nodes[dir].entries[name] != 0)
			left--;
		else if (entry->d_name[0] != '.')
			fail("readdir", entry->d_name, EEXIST, 0);
	closedir(open_dir);
	if (left != 0)
		fail("readdir", path, ENOENT, 0);
}

/* In the directory of all: whatever comes of it, but for errors that never should. */
static void disturb(void)
{
	char a[40], b[40];
	unsigned int kind = random_below(8);
	int rc = 0;

	sprintf(a, "shared/s%u", random_below(60));
	sprintf(b, "shared/s%u", random_below(60));
	if (dry)
		return;
	switch (kind) {
	case 0: rc = mknod(a, S_IFREG | 0644, 0); break;
	case 1: rc = symlink("x", a); break;
	case 2: rc = unlink(a); break;
	case 3: rc = rename(a, b); break;
	case 4: rc = link(a, b); break;
	case 5: rc = mkdir(a, 0755); break;
	case 6: rc = rmdir(a); break;
	case 7: rc = renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE); break;
	}
	if (rc < 0 && errno != EEXIST && errno != ENOENT && errno != EISDIR && errno != ENOTDIR && errno != EPERM && errno != ENOTEMPTY)
		fail("shared", a, errno, 0);
}

static void step(void)
{
	int dir = pick_dir(), name = random_below(NAMES);
	unsigned int kind = random_below(100);
	char path[NODES * 4 + 64];

	path_of(dir, name, path);
	snprintf(last, sizeof last, "%u %.400s", kind, path);
	if (kind < 20)
		make(FILE_NODE, dir, name, path);
	else if (kind < 30)
		make(DIRECTORY, dir, name, path);
	else if (kind < 34)
		make(LINK, dir, name, path);
	else if (kind < 44)
		remove_name(dir, name, path, 0);
	else if (kind < 50)
		remove_name(dir, name, path, 1);
	else if (kind < 65)
		rename_name(dir, name, path, kind < 53);
	else if (kind < 72)
		link_name(dir, name, path);
	else if (kind < 84)
		change_data(dir, name, path, kind % 2);
	else if (kind < 85)
		change_data(dir, name, path, 2);
	else if (kind < 90)
		compare_node(dir, name);
	else if (kind < 93)
		compare_directory(dir);
	else
		disturb();
}

static void run(uint64_t seed, long operations, int verifies)
{
	char top[16];

	random_state = seed * 1000003 + process;
	nodes[1] = (struct node){ .kind = DIRECTORY, .links = 2, .parent = 1 };
	sprintf(top, "p%d", process);
	dry = verifies;
	if (!dry)
		check("mkdir", top, mkdir(top, 0755), 0);
	for (done = 0; done < operations; done++)
		step();
	dry = 0;
	for (int dir = 1; dir < NODES; dir++) {
		if (nodes[dir].kind != DIRECTORY)
			continue;
		compare_directory(dir);
		for (int name = 0; name < NAMES; name++)
			compare_node(dir, name);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int failed = 0, status, processes;

	if (argc != 6 || chdir(argv[1]) != 0) {
		fprintf(stderr, "usage: exercise-tree DIRECTORY SEED OPERATIONS PROCESSES run|verify\n");
		return 2;
	}
	processes = atoi(argv[4]);
	mkdir("shared", 0755);
	for (process = 0; process < processes; process++)
		if (fork() == 0)
			run(strtoull(argv[2], NULL, 0), atol(argv[3]) / processes, strcmp(argv[5], "verify") == 0);
	while (wait(&status) > 0)
		failed |= status != 0;
	printf("%s operations of %d processes\n", argv[3], processes);
	return failed;
}
