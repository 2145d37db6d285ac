/*
 * exercise-file PATH SEED OPERATIONS: random operations on the data of one file, each mirrored in memory, each result
 * compared. Prints the last operations and exits 1 at the first difference.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "random.h"

#define LIMIT (512 << 10)
#define PIECE (80 << 10)
#define PAGE 4096
#define REMEMBERED 24

static unsigned char model[LIMIT], buffer[LIMIT] __attribute__((aligned(PAGE)));
static off_t size;
static int fd, direct_fd;
static const char *path;
static char history[REMEMBERED][96];
static long done;

static void note(const char *what, long from, long to, long extra)
{
	snprintf(history[done % REMEMBERED], sizeof *history, "%ld: %s [%ld,%ld) %ld, size %ld", done, what, from, to, extra, (long)size);
}

static void fail(const char *what, long at)
{
	printf("difference: %s at %ld: %s\n", what, at, strerror(errno));
	for (long i = done >= REMEMBERED ? done - REMEMBERED + 1 : 0; i <= done; i++)
		printf("  %s\n", history[i % REMEMBERED]);
	exit(1);
}

static void compare(const unsigned char *found, off_t from, off_t to, const char *what)
{
	for (off_t at = from; at < to; at++)
		if (found[at - from] != model[at]) {
			errno = 0;
			printf("found %02x, expected %02x\n", found[at - from], model[at]);
			fail(what, at);
		}
}

/* The range [*from, *to) somewhere in the first `limit` bytes. */
static void choose(off_t *from, off_t *to, off_t limit)
{
	off_t length = 1 + random_below(random_below(4) == 0 ? PIECE : 3 * PAGE);

	*from = limit == 0 ? 0 : random_below(limit);
	if (random_below(4) == 0)
		*from &= ~(off_t)(PAGE - 1);
	*to = *from + length > limit ? limit : *from + length;
}

static void make_bytes(off_t length)
{
	unsigned char base = random_below(256);

	for (off_t i = 0; i < length; i++)
		buffer[i] = base + i % 251;
}

/* The file now reaches `to`, and the bytes between its old end and `from` are zero. */
static void grow(off_t from, off_t to)
{
	if (from > size)
		memset(model + size, 0, from - size);
	if (to > size)
		size = to;
}

static void do_write(int to_fd, const char *name, off_t grain)
{
	off_t from, to;

	choose(&from, &to, LIMIT);
	from -= from % grain;
	to -= to % grain;
	if (to <= from)
		return;
	note(name, from, to, 0);
	make_bytes(to - from);
	if (pwrite(to_fd, buffer, to - from, from) != to - from)
		fail(name, from);
	grow(from, to);
	memcpy(model + from, buffer, to - from);
}

static void do_read(void)
{
	off_t from, to;
	ssize_t count;

	choose(&from, &to, size + 100);
	note("read", from, to, 0);
	count = pread(fd, buffer, to - from, from);
	if (count != (from >= size ? 0 : (to > size ? size : to) - from))
		fail("read count", count);
	compare(buffer, from, from + count, "read");
}

static void do_map(int writes)
{
	off_t from, to, page;
	unsigned char *map;

	if (size == 0)
		return;
	choose(&from, &to, size);
	page = from & ~(off_t)(PAGE - 1);
	note(writes ? "map write" : "map read", from, to, 0);
	map = mmap(NULL, to - page, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, fd, page);
	if (map == MAP_FAILED)
		fail("mmap", from);
	if (writes) {
		make_bytes(to - from);
		memcpy(map + (from - page), buffer, to - from);
		memcpy(model + from, buffer, to - from);
	} else {
		compare(map + (from - page), from, to, "map read");
	}
	if (random_below(8) == 0 && msync(map, to - page, MS_SYNC) != 0)
		fail("msync", from);
	munmap(map, to - page);
}

static void do_truncate(void)
{
	off_t to = random_below(3) == 0 ? random_below(LIMIT) : random_below(size + PAGE + 1);

	if (to > LIMIT)
		to = LIMIT;
	note("truncate", 0, to, 0);
	if ((random_below(2) ? ftruncate(fd, to) : truncate(path, to)) != 0)
		fail("truncate", to);
	grow(to, to);
	size = to;
}

static void do_fallocate(void)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
	int mode = modes[random_below(5)];
	off_t from, to, end;

	choose(&from, &to, LIMIT);
	if (to <= from)
		return;
	note("fallocate", from, to, mode);
	if (fallocate(fd, mode, from, to - from) != 0)
		fail("fallocate", mode);
	if ((mode & FALLOC_FL_KEEP_SIZE) == 0)
		grow(to, to);
	end = to > size ? size : to;
	if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0 && from < end)
		memset(model + from, 0, end - from);
}

static void do_copy(void)
{
	off_t from, to, target;
	ssize_t count;

	choose(&from, &to, size);
	if (to <= from)
		return;
	target = random_below(LIMIT - (to - from) + 1);
	if (target < to && from < target + (to - from))
		return;
	note("copy", from, to, target);
	for (off_t at = 0; at < to - from; at += count) {
		off_t in = from + at, out = target + at;

		count = copy_file_range(fd, &in, fd, &out, to - from - at, 0);
		if (count <= 0)
			fail("copy", at);
	}
	grow(target, target + (to - from));
	memmove(model + target, model + from, to - from);
}

static void reopen(void)
{
	note("reopen", 0, 0, 0);
	if (fd > 0 && (close(fd) != 0 || close(direct_fd) != 0))
		fail("close", 0);
	fd = open(path, O_RDWR | O_CREAT, 0644);
	direct_fd = open(path, O_RDWR | O_DIRECT);
	if (fd < 0 || direct_fd < 0)
		fail("open", 0);
}

static void do_sync(void)
{
	note("sync", 0, 0, 0);
	if ((random_below(2) ? fsync(fd) : fdatasync(fd)) != 0)
		fail("fsync", 0);
	if (random_below(2))
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void check_whole(void)
{
	struct stat found;

	note("whole", 0, size, 0);
	if (fstat(fd, &found) != 0 || found.st_size != size)
		fail("size", found.st_size);
	if (pread(fd, buffer, LIMIT, 0) != size)
		fail("whole", 0);
	compare(buffer, 0, size, "whole");
}

static void step(void)
{
	unsigned int kind = random_below(100);

	if (kind < 22)
		do_write(fd, "write", 1);
	else if (kind < 42)
		do_read();
	else if (kind < 52)
		do_map(1);
	else if (kind < 62)
		do_map(0);
	else if (kind < 72)
		do_truncate();
	else if (kind < 84)
		do_fallocate();
	else if (kind < 90)
		do_copy();
	else if (kind < 94)
		do_write(direct_fd, "direct write", PAGE);
	else if (kind < 96)
		do_sync();
	else if (kind < 98)
		reopen();
	else
		check_whole();
}

int main(int argc, char **argv)
{
	long operations;

	if (argc != 4) {
		fprintf(stderr, "usage: exercise-file PATH SEED OPERATIONS\n");
		return 2;
	}
	path = argv[1];
	random_state = strtoull(argv[2], NULL, 0);
	operations = atol(argv[3]);
	reopen();
	for (done = 0; done < operations; done++)
		step();
	check_whole();
	printf("%ld operations\n", done);
	return 0;
}
