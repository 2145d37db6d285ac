/* Steps on open files and what is in them. */
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <linux/falloc.h>
#include "steps.h"

#define MOST_READ (4 << 20)

static const struct flag open_flags[] = {
	{ "rdonly", O_RDONLY }, { "wronly", O_WRONLY }, { "rdwr", O_RDWR }, { "creat", O_CREAT }, { "excl", O_EXCL },
	{ "trunc", O_TRUNC }, { "append", O_APPEND }, { "directory", O_DIRECTORY }, { "nofollow", O_NOFOLLOW },
	{ "path", O_PATH }, { "tmpfile", O_TMPFILE }, { "direct", O_DIRECT }, { "sync", O_SYNC }, { "dsync", O_DSYNC },
	{ "noatime", O_NOATIME }, { "nonblock", O_NONBLOCK }, { NULL, 0 }
};

static const struct flag fallocate_flags[] = {
	{ "keep", FALLOC_FL_KEEP_SIZE }, { "punch", FALLOC_FL_PUNCH_HOLE }, { "zero", FALLOC_FL_ZERO_RANGE },
	{ "collapse", FALLOC_FL_COLLAPSE_RANGE }, { "insert", FALLOC_FL_INSERT_RANGE },
	{ "unshare", FALLOC_FL_UNSHARE_RANGE }, { "bad", 0x8000 }, { NULL, 0 }
};

static const struct flag whences[] = {
	{ "set", SEEK_SET }, { "cur", SEEK_CUR }, { "end", SEEK_END }, { "data", SEEK_DATA }, { "hole", SEEK_HOLE },
	{ "bad", 9 }, { NULL, 0 }
};

static void step_open(char **a)
{
	int at = atoi(a[0]) % SLOTS;

	decode(a[1]);
	slots[at] = open(a[1], flags_of(open_flags, a[2]), a[3] == NULL ? 0 : octal(a[3]));
	outcome(slots[at]);
}

static void step_openat(char **a)
{
	int at = atoi(a[0]) % SLOTS;

	slots[at] = openat(slot(a[1]), a[2], flags_of(open_flags, a[3]), a[4] == NULL ? 0 : octal(a[4]));
	outcome(slots[at]);
}

static void step_close(char **a)
{
	outcome(close(slot(a[0])));
	slots[atoi(a[0]) % SLOTS] = -1;
}

static void say_count(ssize_t count)
{
	if (count < 0)
		outcome(-1);
	else
		say("%zd", count);
}

static void step_write(char **a)
{
	size_t length = decode(a[1]);

	say_count(write(slot(a[0]), a[1], length));
}

static void step_pwrite(char **a)
{
	size_t length = decode(a[2]);

	say_count(pwrite(slot(a[0]), a[2], length, number(a[1])));
}

/* OFFSET LENGTH CHARACTER, in memory that direct I/O takes. */
static void step_fill(char **a)
{
	size_t length = number(a[2]);
	void *bytes = aligned_alloc(4096, (length + 4096) & ~4095UL);

	memset(bytes, a[3][0], length);
	say_count(pwrite(slot(a[0]), bytes, length, number(a[1])));
	free(bytes);
}

static void step_pwritev_append(char **a)
{
	struct iovec part = { a[1], decode(a[1]) };

	say_count(pwritev2(slot(a[0]), &part, 1, 0, RWF_APPEND));
}

static void tell_read(int fd, long long offset, size_t length)
{
	unsigned char *bytes = aligned_alloc(4096, (length + 4096) & ~4095UL);
	ssize_t count = offset < 0 ? read(fd, bytes, length) : pread(fd, bytes, length, offset);

	if (count < 0)
		outcome(-1);
	else
		say_bytes(bytes, count);
	free(bytes);
}

static void step_read(char **a) { tell_read(slot(a[0]), -1, number(a[1])); }
static void step_pread(char **a) { tell_read(slot(a[0]), number(a[1]), number(a[2])); }

static void step_get(char **a)
{
	int fd = open(a[0], O_RDONLY);

	if (fd < 0) {
		outcome(-1);
		return;
	}
	tell_read(fd, 0, MOST_READ);
	close(fd);
}

static void step_put(char **a)
{
	int fd = open(a[0], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	size_t length = decode(a[1]);

	if (fd < 0)
		outcome(-1);
	else
		say_count(write(fd, a[1], length));
	close(fd);
}

static void step_truncate(char **a) { outcome(truncate(a[0], number(a[1]))); }
static void step_ftruncate(char **a) { outcome(ftruncate(slot(a[0]), number(a[1]))); }
static void step_fsync(char **a) { outcome(fsync(slot(a[0]))); }
static void step_fdatasync(char **a) { outcome(fdatasync(slot(a[0]))); }
static void step_syncfs(char **a) { outcome(syncfs(slot(a[0]))); }

static void step_fallocate(char **a)
{
	outcome(fallocate(slot(a[0]), flags_of(fallocate_flags, a[1]), number(a[2]), number(a[3])));
}

static void step_seek(char **a)
{
	say_count(lseek(slot(a[0]), number(a[1]), flags_of(whences, a[2])));
}

static void step_map_write(char **a)
{
	long long offset = number(a[1]), page = offset & ~4095LL;
	size_t length = decode(a[2]), span = (offset - page + length + 4095) & ~4095UL;
	char *map = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_SHARED, slot(a[0]), page);

	if (map == MAP_FAILED) {
		outcome(-1);
		return;
	}
	memcpy(map + (offset - page), a[2], length);
	outcome(munmap(map, span));
}

static void step_map_read(char **a)
{
	long long offset = number(a[1]), page = offset & ~4095LL;
	size_t length = number(a[2]), span = (offset - page + length + 4095) & ~4095UL;
	unsigned char *map = mmap(NULL, span, PROT_READ, MAP_SHARED, slot(a[0]), page);

	if (map == MAP_FAILED) {
		outcome(-1);
		return;
	}
	say_bytes(map + (offset - page), length);
	munmap(map, span);
}

static void step_map(char **a)
{
	static const struct flag protections[] = { { "r", PROT_READ }, { "w", PROT_WRITE }, { "x", PROT_EXEC }, { NULL, 0 } };
	static const struct flag kinds[] = { { "shared", MAP_SHARED }, { "private", MAP_PRIVATE }, { "sync", MAP_SHARED_VALIDATE | MAP_SYNC }, { NULL, 0 } };
	void *map = mmap(NULL, 4096, flags_of(protections, a[1]), flags_of(kinds, a[2]), slot(a[0]), 0);

	outcome(map == MAP_FAILED ? -1 : munmap(map, 4096));
}

/* FROM OFFSET TO OFFSET LENGTH. */
static void step_copy_range(char **a)
{
	off_t from = number(a[1]), to = number(a[3]);

	say_count(copy_file_range(slot(a[0]), &from, slot(a[2]), &to, number(a[4]), 0));
}

static void step_sendfile(char **a)
{
	off_t from = number(a[1]);

	say_count(sendfile(slot(a[2]), slot(a[0]), &from, number(a[3])));
}

/* FROM OFFSET TO OFFSET LENGTH, by way of a pipe. */
static void step_splice(char **a)
{
	loff_t from = number(a[1]), to = number(a[3]);
	int ends[2];
	ssize_t taken;

	if (pipe(ends) != 0)
		exit(2);
	taken = splice(slot(a[0]), &from, ends[1], NULL, number(a[4]), 0);
	if (taken <= 0)
		say_count(taken);
	else
		say_count(splice(ends[0], NULL, slot(a[2]), &to, taken, 0));
	close(ends[0]), close(ends[1]);
}

static const struct flag rwf_flags[] = {
	{ "dsync", RWF_DSYNC }, { "sync", RWF_SYNC }, { "append", RWF_APPEND }, { "nowait", RWF_NOWAIT }, { "hipri", RWF_HIPRI },
	{ "bad", 0x4000 }, { NULL, 0 }
};

/* OFFSET -1 is the file's own. */
static void step_preadv2(char **a)
{
	unsigned char bytes[4096];
	struct iovec parts[2] = { { bytes, 3 }, { bytes + 3, number(a[2]) } };
	ssize_t count = preadv2(slot(a[0]), parts, 2, number(a[1]), flags_of(rwf_flags, a[3]));

	if (count < 0)
		outcome(-1);
	else
		say_bytes(bytes, count);
}

static void step_pwritev2(char **a)
{
	size_t length = decode(a[2]);
	struct iovec parts[2] = { { a[2], length / 2 }, { a[2] + length / 2, length - length / 2 } };

	say_count(pwritev2(slot(a[0]), parts, 2, number(a[1]), flags_of(rwf_flags, a[3])));
}

/* Stores through a mapping and waits for it. */
static void step_msync(char **a)
{
	static const struct flag kinds[] = { { "sync", MS_SYNC }, { "async", MS_ASYNC }, { "both", MS_SYNC | MS_ASYNC }, { NULL, 0 } };
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, slot(a[0]), 0);

	if (map == MAP_FAILED) {
		outcome(-1);
		return;
	}
	map[0] = a[1][0];
	outcome(msync(map, 4096, flags_of(kinds, a[2])));
	munmap(map, 4096);
}

/* Where data is, from hole to hole. */
static void step_extents(char **a)
{
	off_t at = 0;
	int fd = slot(a[0]);

	for (;;) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		printf("[%lld,%lld) ", (long long)data, (long long)hole);
		at = hole;
	}
	outcome(-1);
}

static void step_advise(char **a)
{
	outcome(-posix_fadvise(slot(a[0]), 0, 0, POSIX_FADV_DONTNEED));
}

const struct step file_steps[] = {
	{ "open", 3, step_open },
	{ "openat", 4, step_openat },
	{ "close", 1, step_close },
	{ "write", 2, step_write },
	{ "pwrite", 3, step_pwrite },
	{ "pwritev-append", 2, step_pwritev_append },
	{ "fill", 4, step_fill },
	{ "read", 2, step_read },
	{ "pread", 3, step_pread },
	{ "get", 1, step_get },
	{ "put", 2, step_put },
	{ "truncate", 2, step_truncate },
	{ "ftruncate", 2, step_ftruncate },
	{ "fsync", 1, step_fsync },
	{ "fdatasync", 1, step_fdatasync },
	{ "syncfs", 1, step_syncfs },
	{ "fallocate", 4, step_fallocate },
	{ "seek", 3, step_seek },
	{ "map-write", 3, step_map_write },
	{ "map-read", 3, step_map_read },
	{ "map", 3, step_map },
	{ "copy-range", 5, step_copy_range },
	{ "sendfile", 4, step_sendfile },
	{ "splice", 5, step_splice },
	{ "preadv2", 4, step_preadv2 },
	{ "pwritev2", 4, step_pwritev2 },
	{ "msync", 3, step_msync },
	{ "extents", 1, step_extents },
	{ "drop-pages", 1, step_advise },
	{ NULL, 0, NULL },
};
