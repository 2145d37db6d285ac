/* Steps on what an inode says of itself: mode, owner, times, counts, flags. */
#include <time.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include "steps.h"

#define MARKS 16

static void step_chmod(char **a) { outcome(chmod(a[0], octal(a[1]))); }
static void step_fchmod(char **a) { outcome(fchmod(slot(a[0]), octal(a[1]))); }
static void step_chown(char **a) { outcome(chown(a[0], number(a[1]), number(a[2]))); }
static void step_lchown(char **a) { outcome(lchown(a[0], number(a[1]), number(a[2]))); }
static void step_fchown(char **a) { outcome(fchown(slot(a[0]), number(a[1]), number(a[2]))); }

/* SECONDS[.NANOSECONDS], nine digits of these; now; omit; bad. */
static struct timespec time_of(const char *word)
{
	struct timespec time = { 0, 0 };
	const char *dot = strchr(word, '.');

	if (strcmp(word, "now") == 0)
		time.tv_nsec = UTIME_NOW;
	else if (strcmp(word, "omit") == 0)
		time.tv_nsec = UTIME_OMIT;
	else if (strcmp(word, "bad") == 0)
		time.tv_nsec = 1000000000;
	else {
		time.tv_sec = atoll(word);
		time.tv_nsec = dot == NULL ? 0 : atol(dot + 1);
	}
	return time;
}

static void step_utimens(char **a)
{
	struct timespec times[2] = { time_of(a[1]), time_of(a[2]) };

	outcome(utimensat(AT_FDCWD, a[0], times, 0));
}

static void step_lutimens(char **a)
{
	struct timespec times[2] = { time_of(a[1]), time_of(a[2]) };

	outcome(utimensat(AT_FDCWD, a[0], times, AT_SYMLINK_NOFOLLOW));
}

static void step_futimens(char **a)
{
	struct timespec times[2] = { time_of(a[1]), time_of(a[2]) };

	outcome(futimens(slot(a[0]), times));
}

static void say_time(const char *name, struct timespec time)
{
	printf("%s=%lld.%09ld ", name, (long long)time.tv_sec, time.tv_nsec);
}

static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFIFO: return 'p';
	case S_IFSOCK: return 's';
	case S_IFCHR: return 'c';
	case S_IFBLK: return 'b';
	}
	return '?';
}

/* `fields`: NULL for what is the same on every file system, else a list of times, blocks and dirsize beside. */
static void tell(int rc, const struct stat *found, const char *fields)
{
	if (rc != 0) {
		outcome(-1);
		return;
	}
	printf("%c %04o nlink=%lu %u:%u ", type_of(found->st_mode), found->st_mode & 07777,
	       (unsigned long)found->st_nlink, found->st_uid, found->st_gid);
	if (!S_ISDIR(found->st_mode) || (fields != NULL && strstr(fields, "dirsize") != NULL))
		printf("size=%lld ", (long long)found->st_size);
	if (S_ISCHR(found->st_mode) || S_ISBLK(found->st_mode))
		printf("rdev=%u,%u ", major(found->st_rdev), minor(found->st_rdev));
	if (fields != NULL && strstr(fields, "blocks") != NULL)
		printf("blocks=%lld ", (long long)found->st_blocks);
	if (fields != NULL && strstr(fields, "blksize") != NULL)
		printf("blksize=%ld ", (long)found->st_blksize);
	if (fields != NULL && strstr(fields, "atime") != NULL)
		say_time("atime", found->st_atim);
	if (fields != NULL && strstr(fields, "mtime") != NULL)
		say_time("mtime", found->st_mtim);
	say("%s", "");
}

static void step_stat(char **a)
{
	struct stat found;

	tell(stat(a[0], &found), &found, a[1]);
}

static void step_lstat(char **a)
{
	struct stat found;

	decode(a[0]);
	tell(lstat(a[0], &found), &found, a[1]);
}

static void step_fstat(char **a)
{
	struct stat found;

	tell(fstat(slot(a[0]), &found), &found, a[1]);
}

static void step_same(char **a)
{
	struct stat first, second;

	if (lstat(a[0], &first) != 0 || lstat(a[1], &second) != 0)
		outcome(-1);
	else
		say("%s", first.st_ino == second.st_ino && first.st_dev == second.st_dev ? "same" : "different");
}

static struct {
	char path[PATH_MAX];
	struct stat was;
} marks[MARKS];
static int mark_count;

static long long nanoseconds(struct timespec time)
{
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Remembers the times of a file, and returns when the clock that stamps files has moved on by a tick of 4 ms. */
static void step_mark(char **a)
{
	struct timespec now, pause = { 0, 500000 };
	long long start;

	decode(a[0]);
	if (mark_count == MARKS || lstat(a[0], &marks[mark_count].was) != 0) {
		outcome(-1);
		return;
	}
	snprintf(marks[mark_count++].path, PATH_MAX, "%s", a[0]);
	clock_gettime(CLOCK_REALTIME, &now);
	start = nanoseconds(now);
	do {
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (nanoseconds(now) < start + 4000000);
	outcome(0);
}

/* Which times of a file differ from the mark, of this name or that of the second word. */
static void step_changed(char **a)
{
	struct stat is;
	const char *marked = a[1] == NULL ? a[0] : a[1];

	decode(a[0]);
	if (lstat(a[0], &is) != 0) {
		outcome(-1);
		return;
	}
	for (int i = mark_count - 1; i >= 0; i--) {
		const struct stat *was = &marks[i].was;

		if (strcmp(marks[i].path, marked) != 0)
			continue;
		say("changed:%s%s%s", nanoseconds(was->st_atim) != nanoseconds(is.st_atim) ? " atime" : "",
		    nanoseconds(was->st_mtim) != nanoseconds(is.st_mtim) ? " mtime" : "",
		    nanoseconds(was->st_ctim) != nanoseconds(is.st_ctim) ? " ctime" : "");
		return;
	}
	say("no mark");
}

static void step_statx(char **a)
{
	struct statx found;
	struct timespec now;

	if (statx(AT_FDCWD, a[0], AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &found) != 0) {
		outcome(-1);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	say("basic=%d btime=%s", (found.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS,
	    (found.stx_mask & STATX_BTIME) == 0 ? "none" : llabs(found.stx_btime.tv_sec - now.tv_sec) < 100 ? "recent" : "old");
}

static void step_statx_attributes(char **a)
{
	struct statx found;

	if (statx(AT_FDCWD, a[0], 0, STATX_BASIC_STATS, &found) != 0)
		outcome(-1);
	else
		say("%s%s%s%s%s", found.stx_attributes & STATX_ATTR_APPEND ? "append " : "",
		    found.stx_attributes & STATX_ATTR_IMMUTABLE ? "immutable " : "",
		    found.stx_attributes & STATX_ATTR_NODUMP ? "nodump " : "",
		    found.stx_attributes & STATX_ATTR_COMPRESSED ? "compressed " : "",
		    found.stx_attributes & STATX_ATTR_ENCRYPTED ? "encrypted " : "");
}

static const struct flag inode_flags[] = {
	{ "append", FS_APPEND_FL }, { "immutable", FS_IMMUTABLE_FL }, { "nodump", FS_NODUMP_FL }, { "noatime", FS_NOATIME_FL },
	{ "sync", FS_SYNC_FL }, { "dirsync", FS_DIRSYNC_FL }, { "topdir", FS_TOPDIR_FL }, { "compress", FS_COMPR_FL },
	{ "secrm", FS_SECRM_FL }, { NULL, 0 }
};

static void step_getflags(char **a)
{
	int flags = 0;

	if (ioctl(slot(a[0]), FS_IOC_GETFLAGS, &flags) != 0)
		outcome(-1);
	else
		say("%x", flags & ~FS_INDEX_FL);
}

static void step_setflags(char **a)
{
	int flags = 0, wanted = flags_of(inode_flags, a[1]);

	if (ioctl(slot(a[0]), FS_IOC_GETFLAGS, &flags) != 0) {
		outcome(-1);
		return;
	}
	flags = (flags & FS_EXTENT_FL) | wanted;
	outcome(ioctl(slot(a[0]), FS_IOC_SETFLAGS, &flags));
}

/* An ioctl of a name, without an argument that matters. */
static void step_ioctl(char **a)
{
	static const struct flag requests[] = {
		{ "fionread", 0x541B }, { "figetbsz", FIGETBSZ }, { "fsgetxattr", FS_IOC_FSGETXATTR }, { "getversion", FS_IOC_GETVERSION },
		{ "unknown", 0x7a7a }, { NULL, 0 }
	};
	long long argument[64] = { 0 };

	outcome(ioctl(slot(a[0]), flags_of(requests, a[1]), argument));
}

const struct step attribute_steps[] = {
	{ "chmod", 2, step_chmod },
	{ "fchmod", 2, step_fchmod },
	{ "chown", 3, step_chown },
	{ "lchown", 3, step_lchown },
	{ "fchown", 3, step_fchown },
	{ "utimens", 3, step_utimens },
	{ "lutimens", 3, step_lutimens },
	{ "futimens", 3, step_futimens },
	{ "stat", 1, step_stat },
	{ "lstat", 1, step_lstat },
	{ "fstat", 1, step_fstat },
	{ "same", 2, step_same },
	{ "mark", 1, step_mark },
	{ "changed", 1, step_changed },
	{ "statx", 1, step_statx },
	{ "statx-attributes", 1, step_statx_attributes },
	{ "getflags", 1, step_getflags },
	{ "setflags", 2, step_setflags },
	{ "ioctl", 2, step_ioctl },
	{ NULL, 0, NULL },
};
