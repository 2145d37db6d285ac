/*
 * Changes files and makes each change durable before it says so, until it is stopped; or checks that what was said
 * is there. What a change leads to follows from its number alone.
 *
 *   acknowledge work FIRST    changes number FIRST, FIRST + 1, ...: "NUMBER\n" on standard output when durable
 *   acknowledge check         numbers on standard input, ascending: says what is missing, exit status 1 then
 *
 * A change is one of: a new file of up to 40,000 bytes; a record at the end of the log; a file replaced by rename;
 * a directory with a file in it; an old file removed; a page of a fixed file overwritten.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KINDS 6
#define RECORD 96
#define SLOTS 64
#define PAGE 4096

static char expected[65536], found[65536];
static int failures;

static void stop(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(3);
}

/* Fills `expected` with what number leads to; the same always. */
static size_t content(unsigned number, size_t length)
{
	uint32_t state = number * 2654435761u + 1;
	size_t i;

	for (i = 0; i < length; i++) {
		state = state * 1664525u + 1013904223u;
		expected[i] = 'a' + (state >> 24) % 26;
	}
	return length;
}

static size_t length_of(unsigned number)
{
	return (number * 7919u) % 40000;
}

static void write_all(int fd, size_t length, off_t at)
{
	if (pwrite(fd, expected, length, at) != (ssize_t)length)
		stop("pwrite");
}

static void sync_directory(const char *name)
{
	int fd = open(name, O_RDONLY | O_DIRECTORY);

	if (fd < 0 || fsync(fd) != 0)
		stop("fsync of a directory");
	close(fd);
}

static void make_file(const char *name, unsigned number)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		stop(name);
	write_all(fd, content(number, length_of(number)), 0);
	if (fsync(fd) != 0)
		stop("fsync");
	close(fd);
}

static void work_on(unsigned number)
{
	char name[64], other[64];
	int fd;

	switch (number % KINDS) {
	case 0:
		snprintf(name, sizeof name, "file-%u", number);
		make_file(name, number);
		sync_directory(".");
		break;
	case 1:
		fd = open("log", O_WRONLY | O_CREAT, 0644);
		if (fd < 0)
			stop("log");
		write_all(fd, content(number, RECORD), (off_t)(number / KINDS) * RECORD);
		if (fdatasync(fd) != 0)
			stop("fdatasync");
		close(fd);
		break;
	case 2:
		make_file("replaced.new", number);
		if (rename("replaced.new", "replaced") != 0)
			stop("rename");
		sync_directory(".");
		break;
	case 3:
		snprintf(name, sizeof name, "dir-%u", number);
		snprintf(other, sizeof other, "dir-%u/inside", number);
		if (mkdir(name, 0755) != 0 && errno != EEXIST)
			stop("mkdir");
		make_file(other, number);
		sync_directory(name);
		sync_directory(".");
		break;
	case 4:
		snprintf(name, sizeof name, "file-%u", number - 4);
		if (unlink(name) != 0 && errno != ENOENT)
			stop("unlink");
		sync_directory(".");
		break;
	case 5:
		fd = open("pages", O_WRONLY | O_CREAT, 0644);
		if (fd < 0)
			stop("pages");
		write_all(fd, content(number, PAGE), (off_t)(number / KINDS % SLOTS) * PAGE);
		if (fdatasync(fd) != 0)
			stop("fdatasync");
		close(fd);
		break;
	}
}

static void complain(unsigned number, const char *what, const char *name)
{
	if (failures++ < 10)
		printf("change %u: %s: %s\n", number, name, what);
}

/* The name has to hold `expected`, which is the content of `number`. */
static void expect(const char *name, unsigned number, size_t length, off_t at, int whole)
{
	int fd = open(name, O_RDONLY);
	ssize_t got;

	if (fd < 0) {
		complain(number, strerror(errno), name);
		return;
	}
	got = pread(fd, found, whole ? sizeof found : length, at);
	if (got != (ssize_t)length)
		complain(number, "wrong length", name);
	else if (memcmp(found, expected, length) != 0)
		complain(number, "wrong content", name);
	close(fd);
}

/* Whether the name holds the content of `number`: the change behind the last acknowledged one was begun, too. */
static int holds(const char *name, unsigned number)
{
	int fd = open(name, O_RDONLY);
	size_t length = content(number, length_of(number));
	ssize_t got = fd < 0 ? -1 : pread(fd, found, sizeof found, 0);

	if (fd >= 0)
		close(fd);
	return got == (ssize_t)length && memcmp(found, expected, length) == 0;
}

static void check_one(unsigned number, unsigned last)
{
	char name[64];

	switch (number % KINDS) {
	case 0:
		/* Removed by number + 4, if that was begun. */
		if (number + 4 > last + 1) {
			snprintf(name, sizeof name, "file-%u", number);
			expect(name, number, content(number, length_of(number)), 0, 1);
		}
		break;
	case 1:
		expect("log", number, content(number, RECORD), (off_t)(number / KINDS) * RECORD, 0);
		break;
	case 2:
		if (number + KINDS > last && !(last + 1 == number + KINDS && holds("replaced", number + KINDS)))
			expect("replaced", number, content(number, length_of(number)), 0, 1);
		break;
	case 3:
		snprintf(name, sizeof name, "dir-%u/inside", number);
		expect(name, number, content(number, length_of(number)), 0, 1);
		break;
	case 4:
		snprintf(name, sizeof name, "file-%u", number - 4);
		if (access(name, F_OK) == 0)
			complain(number, "still there", name);
		break;
	case 5:
		/* Overwritten by a later one; the one that was begun may be there in part. */
		if (number + KINDS * SLOTS > last + 1)
			expect("pages", number, content(number, PAGE), (off_t)(number / KINDS % SLOTS) * PAGE, 0);
		break;
	}
}

int main(int argc, char **argv)
{
	static unsigned numbers[1000000];
	unsigned count = 0, number, i;

	if (argc == 3 && strcmp(argv[1], "work") == 0) {
		for (number = atoi(argv[2]);; number++) {
			work_on(number);
			printf("%u\n", number);
			fflush(stdout);
		}
	}
	while (count < 1000000 && scanf("%u", &numbers[count]) == 1)
		count++;
	for (i = 0; i < count; i++)
		check_one(numbers[i], numbers[count - 1]);
	printf("%u changes, %d missing\n", count, failures);
	return failures ? 1 : 0;
}
