/*
 * What Linux says of a new file on a DAX mount: dax-probe FILE makes it 8 KiB long, stores to it through a mapping,
 * and makes that durable by msync. Prints a line for each finding. Exit status 0 when all calls worked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX 0x00200000
#endif
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif

enum { SIZE = 8192 };

static int failed(const char *call)
{
	printf("%s: %s\n", call, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	int file = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (file < 0)
		return failed("open");
	if (ftruncate(file, SIZE) != 0)
		return failed("ftruncate");

	struct statx attributes;
	if (statx(file, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &attributes) != 0)
		return failed("statx");
	printf("statx says DAX: %s\n", attributes.stx_attributes & STATX_ATTR_DAX ? "yes" : "no");

	void *synchronous = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, file, 0);
	printf("MAP_SYNC: %s\n", synchronous != MAP_FAILED ? "granted" : errno == EOPNOTSUPP ? "EOPNOTSUPP" : "refused");

	char *mapped = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (mapped == MAP_FAILED)
		return failed("mmap");
	memset(mapped + 100, 'm', SIZE - 200);
	if (msync(mapped, SIZE, MS_SYNC) != 0)
		return failed("msync");
	printf("msync: 0\n");
	return close(file);
}
