/*
 * What programs expect of a file system beside reading and writing: mappings, locks, deleted files that stay open,
 * appending from several processes. Runs in an empty directory; prints "ok NAME" or "not ok NAME" for each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static int check(const char *name, int good)
{
	printf("%s %s%s%s\n", good ? "ok" : "not ok", name, good ? "" : ": ", good ? "" : strerror(errno));
	fflush(stdout);
	return good;
}

static int fresh(const char *name, off_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || ftruncate(fd, size) != 0) {
		perror(name);
		exit(1);
	}
	return fd;
}

/* Runs `work` in another process; 1 when it returned 1. */
static int elsewhere(int (*work)(const char *), const char *name)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(work(name) ? 0 : 1);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void shared_mapping(void)
{
	int fd = fresh("mapped", 5 * PAGE);
	char *map = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char back[16] = "";

	if (!check("mmap shared", map != MAP_FAILED))
		return;
	strcpy(map + 2 * PAGE + 10, "by store");
	check("msync", msync(map, 5 * PAGE, MS_SYNC) == 0);
	check("read sees the mapping", pread(fd, back, 8, 2 * PAGE + 10) == 8 && memcmp(back, "by store", 8) == 0);
	check("the mapping sees write", pwrite(fd, "by write", 8, 3 * PAGE + 5) == 8 && memcmp(map + 3 * PAGE + 5, "by write", 8) == 0);
	check("a hole reads as zeroes", map[PAGE] == 0 && map[5 * PAGE - 1] == 0);
	munmap(map, 5 * PAGE);
	check("close after mmap", close(fd) == 0);
}

static void private_mapping(void)
{
	int fd = fresh("private", PAGE);
	char *map;
	char back = 0;

	if (pwrite(fd, "original", 8, 0) != 8)
		perror("pwrite");
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	map[0] = 'X';
	check("a private mapping stays private", pread(fd, &back, 1, 0) == 1 && back == 'o' && map[1] == 'r');
	munmap(map, PAGE);
	close(fd);
}

static void truncation(void)
{
	int fd = fresh("truncated", 0);
	char back[PAGE];
	int i, zero = 1;

	memset(back, 'a', PAGE);
	for (i = 0; i < 4; i++)
		if (pwrite(fd, back, PAGE, i * PAGE) != PAGE)
			perror("pwrite");
	if (ftruncate(fd, 100) != 0 || ftruncate(fd, 4 * PAGE) != 0)
		perror("ftruncate");
	if (pread(fd, back, PAGE, 0) != PAGE)
		zero = 0;
	for (i = 100; i < PAGE; i++)
		zero = zero && back[i] == 0;
	check("what was cut off does not come back", zero && back[99] == 'a');
	close(fd);
}

static int cannot_flock(const char *name)
{
	int fd = open(name, O_RDWR);

	return flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

static int can_flock(const char *name)
{
	int fd = open(name, O_RDWR);

	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static int cannot_lock_range(const char *name)
{
	int fd = open(name, O_RDWR);
	struct flock held = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10 };
	struct flock free = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 50, .l_len = 10 };

	return fcntl(fd, F_SETLK, &held) != 0 && fcntl(fd, F_SETLK, &free) == 0;
}

static void locks(void)
{
	int fd = fresh("locked", 100);
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 20 };

	check("flock", flock(fd, LOCK_EX) == 0);
	check("flock keeps another process out", elsewhere(cannot_flock, "locked"));
	flock(fd, LOCK_UN);
	check("flock lets it in again", elsewhere(can_flock, "locked"));
	check("fcntl lock", fcntl(fd, F_SETLK, &range) == 0);
	check("fcntl lock keeps another process out of the range", elsewhere(cannot_lock_range, "locked"));
	close(fd);
}

static void deleted(void)
{
	int fd = fresh("deleted", 0), other;
	char back[8] = "";
	struct stat stats;

	check("unlink while open", unlink("deleted") == 0 && access("deleted", F_OK) != 0 && errno == ENOENT);
	check("write to a deleted file", write(fd, "ghost", 5) == 5 && fsync(fd) == 0);
	check("no link is left", fstat(fd, &stats) == 0 && stats.st_nlink == 0 && stats.st_size == 5);
	other = fresh("deleted", 0);
	check("its name can be used anew", write(other, "alive", 5) == 5);
	check("both keep their content", pread(fd, back, 5, 0) == 5 && memcmp(back, "ghost", 5) == 0 &&
		pread(other, back, 5, 0) == 5 && memcmp(back, "alive", 5) == 0);
	close(fd);
	close(other);
}

static void renamed_over(void)
{
	int old = fresh("target", 0), new = fresh("source", 0), now;
	char back[8] = "";

	check("rename over an open file", write(old, "old", 3) == 3 && write(new, "new", 3) == 3 && rename("source", "target") == 0);
	now = open("target", O_RDONLY);
	check("the name leads to the new one", read(now, back, 3) == 3 && memcmp(back, "new", 3) == 0);
	check("the open one is still there", pread(old, back, 3, 0) == 3 && memcmp(back, "old", 3) == 0);
	check("RENAME_EXCHANGE", close(fresh("source", 7)) == 0 && renameat2(AT_FDCWD, "source", AT_FDCWD, "target", RENAME_EXCHANGE) == 0);
	check("RENAME_NOREPLACE", renameat2(AT_FDCWD, "source", AT_FDCWD, "target", RENAME_NOREPLACE) != 0 && errno == EEXIST);
	close(old);
	close(new);
	close(now);
}

static int append_200(const char *name)
{
	int fd = open(name, O_WRONLY | O_APPEND), i, good = 1;
	char line[64];

	for (i = 0; i < 200; i++) {
		int length = snprintf(line, sizeof line, "%d: line %d of this process\n", getpid(), i);

		good = good && write(fd, line, length) == length;
	}
	return good && close(fd) == 0;
}

static void appending(void)
{
	pid_t pids[4];
	int i, status, lines = 0, good = 1;
	char line[64];
	FILE *file;

	close(fresh("appended", 0));
	for (i = 0; i < 4; i++)
		if ((pids[i] = fork()) == 0)
			_exit(append_200("appended") ? 0 : 1);
	for (i = 0; i < 4; i++)
		good = waitpid(pids[i], &status, 0) > 0 && status == 0 && good;
	file = fopen("appended", "r");
	while (fgets(line, sizeof line, file))
		lines += strstr(line, " of this process\n") != NULL;
	fclose(file);
	check("O_APPEND from four processes", good && lines == 800);
}

static void direct(void)
{
	int fd = open("direct", O_RDWR | O_CREAT | O_DIRECT, 0644);
	void *page;

	if (posix_memalign(&page, PAGE, 2 * PAGE) != 0)
		exit(1);
	memset(page, 'd', 2 * PAGE);
	check("O_DIRECT write", fd >= 0 && pwrite(fd, page, 2 * PAGE, PAGE) == 2 * PAGE);
	memset(page, 0, 2 * PAGE);
	check("O_DIRECT read", pread(fd, page, PAGE, 2 * PAGE) == PAGE && memcmp(page, "dddd", 4) == 0);
	free(page);
	close(fd);
}

static void copies(void)
{
	int from = open("mapped", O_RDONLY), to = fresh("sent", 0);
	off_t in = 2 * PAGE;
	loff_t out = 100;

	check("sendfile", sendfile(to, from, &in, 1000) == 1000);
	in = 0;
	check("copy_file_range", copy_file_range(from, &in, to, &out, 3 * PAGE, 0) > 0);
	check("SEEK_DATA, SEEK_HOLE", lseek(from, 0, SEEK_HOLE) >= 0 && lseek(from, 0, SEEK_DATA) >= 0);
	close(from);
	close(to);
}

static int is_running_text(const char *name)
{
	return open(name, O_WRONLY) < 0 && errno == ETXTBSY;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 0;
	shared_mapping();
	private_mapping();
	truncation();
	locks();
	deleted();
	renamed_over();
	appending();
	direct();
	copies();
	check("a running program cannot be written", elsewhere(is_running_text, argv[0]));
	return 0;
}
