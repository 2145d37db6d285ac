/*
 * Operations that no shell command asks for, one a run: OPERATION WORD... Prints what it saw, or the error's name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef EXT4_IOC_SHUTDOWN
#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#endif
#ifndef FS_IOC_GETFSUUID
struct fsuuid2 {
	uint8_t len;
	uint8_t uuid[16];
};
struct fs_sysfs_path {
	uint8_t len;
	uint8_t name[128];
};
#define FS_IOC_GETFSUUID _IOR(0x15, 0, struct fsuuid2)
#define FS_IOC_GETFSSYSFSPATH _IOR(0x15, 1, struct fs_sysfs_path)
#endif
struct ext4_fsuuid {
	uint32_t len, flags;
	uint8_t uuid[16];
};
#define EXT4_IOC_GETFSUUID _IOR('f', 44, uint64_t)

static int opened(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		puts(strerrorname_np(errno));
		exit(0);
	}
	return fd;
}

static void outcome(int rc)
{
	puts(rc == 0 ? "ok" : strerrorname_np(errno));
}

static void shut_down(char **a)
{
	uint32_t flags = strtoul(a[1], NULL, 0);

	outcome(ioctl(opened(a[0]), EXT4_IOC_SHUTDOWN, &flags));
}

static void shut_down_at_nowhere(char **a)
{
	outcome(ioctl(opened(a[0]), EXT4_IOC_SHUTDOWN, (void *)16));
}

static void label(char **a)
{
	char name[FSLABEL_MAX] = { 0 };

	if (ioctl(opened(a[0]), FS_IOC_GETFSLABEL, name) == 0)
		puts(name);
	else
		outcome(-1);
}

static void set_label(char **a)
{
	char name[FSLABEL_MAX] = { 0 };

	strncpy(name, a[1], sizeof(name) - 1);
	outcome(ioctl(opened(a[0]), FS_IOC_SETFSLABEL, name));
}

static void uuid(char **a)
{
	struct fsuuid2 two = { 0 };
	struct fs_sysfs_path path = { 0 };
	struct ext4_fsuuid old = { .len = 16 };
	int fd = opened(a[0]);

	outcome(ioctl(fd, FS_IOC_GETFSUUID, &two));
	outcome(ioctl(fd, FS_IOC_GETFSSYSFSPATH, &path));
	outcome(ioctl(fd, EXT4_IOC_GETFSUUID, &old));
}

static void fibmap(char **a)
{
	int block = atoi(a[1]);

	if (ioctl(opened(a[0]), FIBMAP, &block) == 0)
		printf("%d\n", block);
	else
		outcome(-1);
}

static void fiemap(char **a)
{
	struct fiemap map = { .fm_length = ~0ULL };

	outcome(ioctl(opened(a[0]), FS_IOC_FIEMAP, &map));
}

static const struct {
	const char *name;
	int words;
	void (*run)(char **a);
} operations[] = {
	{ "shutdown", 2, shut_down },	{ "shutdown-at-nowhere", 1, shut_down_at_nowhere },
	{ "label", 1, label },		{ "set-label", 2, set_label },
	{ "uuid", 1, uuid },		{ "fibmap", 2, fibmap },
	{ "fiemap", 1, fiemap },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(operations) / sizeof(*operations); i++) {
		if (strcmp(argv[1], operations[i].name) == 0 && argc == operations[i].words + 2) {
			operations[i].run(argv + 2);
			return 0;
		}
	}
	fprintf(stderr, "unknown operation\n");
	return 2;
}
