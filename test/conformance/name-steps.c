/* Steps on directory entries: what makes, renames, removes and lists them; and who the caller is. */
#include <dirent.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "steps.h"

#define MOST_NAMES 20000

static void step_mkdir(char **a) { decode(a[0]); outcome(mkdir(a[0], octal(a[1]))); }
static void step_rmdir(char **a) { decode(a[0]); outcome(rmdir(a[0])); }
static void step_unlink(char **a) { decode(a[0]); outcome(unlink(a[0])); }
static void step_mkfifo(char **a) { outcome(mkfifo(a[0], octal(a[1]))); }
static void step_symlink(char **a) { decode(a[1]); outcome(symlink(a[0], a[1])); }
static void step_link(char **a) { decode(a[1]); outcome(link(a[0], a[1])); }
static void step_link_follow(char **a) { outcome(linkat(AT_FDCWD, a[0], AT_FDCWD, a[1], AT_SYMLINK_FOLLOW)); }
static void step_rename(char **a) { decode(a[1]); outcome(rename(a[0], a[1])); }
static void step_umask(char **a) { umask(octal(a[0])); outcome(0); }
static void step_chdir(char **a) { outcome(chdir(a[0])); }
static void step_unlinkat_dir(char **a) { outcome(unlinkat(AT_FDCWD, a[0], AT_REMOVEDIR)); }

static void step_create(char **a)
{
	int fd;

	decode(a[0]);
	fd = open(a[0], O_CREAT | O_EXCL | O_WRONLY, octal(a[1]));
	outcome(fd);
	if (fd >= 0)
		close(fd);
}

static void step_link_slot(char **a)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/self/fd/%d", slot(a[0]));
	outcome(linkat(AT_FDCWD, path, AT_FDCWD, a[1], AT_SYMLINK_FOLLOW));
}

static void step_rename2(char **a)
{
	static const struct flag flags[] = {
		{ "noreplace", RENAME_NOREPLACE }, { "exchange", RENAME_EXCHANGE }, { "whiteout", RENAME_WHITEOUT }, { "bad", 64 }, { NULL, 0 }
	};

	outcome(renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], flags_of(flags, a[2])));
}

static void step_mknod(char **a)
{
	static const struct flag types[] = {
		{ "file", S_IFREG }, { "fifo", S_IFIFO }, { "char", S_IFCHR }, { "block", S_IFBLK }, { "socket", S_IFSOCK },
		{ "directory", S_IFDIR }, { "symlink", S_IFLNK }, { "none", 0 }, { NULL, 0 }
	};

	outcome(mknod(a[0], flags_of(types, a[1]) | octal(a[2]), makedev(number(a[3]), number(a[4]))));
}

static void step_bind(char **a)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path, a[0], sizeof address.sun_path - 1);
	outcome(bind(fd, (struct sockaddr *)&address, sizeof address));
	close(fd);
}

static void step_readlink(char **a)
{
	unsigned char target[PATH_MAX + 1];
	ssize_t length = readlink(a[0], (char *)target, sizeof target);

	if (length < 0)
		outcome(-1);
	else
		say_bytes(target, length);
}

/* access(2) asks for the real user, which stays root: this one is for the effective. */
static void step_access(char **a)
{
	static const struct flag modes[] = { { "r", R_OK }, { "w", W_OK }, { "x", X_OK }, { NULL, 0 } };

	outcome(faccessat(AT_FDCWD, a[0], flags_of(modes, a[1]), AT_EACCESS));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void step_readdir(char **a)
{
	static char *names[MOST_NAMES];
	int count = 0;
	struct dirent *entry;
	DIR *dir = opendir(a[0]);

	if (dir == NULL) {
		outcome(-1);
		return;
	}
	while ((entry = readdir(dir)) != NULL && count < MOST_NAMES)
		if (asprintf(&names[count], "%s(%d)", entry->d_name, entry->d_type) > 0)
			count++;
	closedir(dir);
	qsort(names, count, sizeof *names, by_name);
	for (int i = 0; i < count; i++) {
		printf("%.300s ", names[i]);
		free(names[i]);
	}
	say("%d", count);
}

/* Reads a directory twice: forth, and from each position that was told. */
static void step_seekdir(char **a)
{
	static long positions[MOST_NAMES];
	static char *names[MOST_NAMES];
	int count = 0, wrong = 0;
	struct dirent *entry;
	DIR *dir = opendir(a[0]);

	if (dir == NULL) {
		outcome(-1);
		return;
	}
	for (; count < MOST_NAMES; count++) {
		positions[count] = telldir(dir);
		entry = readdir(dir);
		if (entry == NULL)
			break;
		names[count] = strdup(entry->d_name);
	}
	for (int i = count - 1; i >= 0; i--) {
		seekdir(dir, positions[i]);
		entry = readdir(dir);
		wrong += entry == NULL || strcmp(entry->d_name, names[i]) != 0;
		free(names[i]);
	}
	rewinddir(dir);
	wrong += readdir(dir) == NULL;
	closedir(dir);
	say("%d entries, %d wrong", count, wrong);
}

/* Reads a directory and removes or adds an entry after each: what was there from first to last is seen once. */
static void step_readdir_during(char **a)
{
	char path[PATH_MAX];
	int kept = 0, seen = 0, made = 0, removed = 0, removes = strcmp(a[1], "remove") == 0;
	struct dirent *entry;
	DIR *dir = opendir(a[0]);

	if (dir == NULL) {
		outcome(-1);
		return;
	}
	while ((entry = readdir(dir)) != NULL && made < MOST_NAMES) {
		if (strncmp(entry->d_name, "kept", 4) == 0)
			seen++;
		if (removes && strncmp(entry->d_name, "gone", 4) == 0) {
			snprintf(path, sizeof path, "%s/%s", a[0], entry->d_name);
			removed += unlink(path) == 0;
		} else if (!removes) {
			snprintf(path, sizeof path, "%s/new%d", a[0], made++);
			close(open(path, O_CREAT | O_WRONLY, 0644));
		}
	}
	rewinddir(dir);
	while ((entry = readdir(dir)) != NULL)
		kept += strncmp(entry->d_name, "kept", 4) == 0;
	closedir(dir);
	say("%d of %d, %d removed", seen, kept, removed);
}

static void step_many(char **a)
{
	long count = number(a[2]), made = 0;
	char path[PATH_MAX];

	for (; made < count; made++) {
		int fd, length = snprintf(path, sizeof path, a[1], (int)made);

		if (length < 0)
			break;
		if (strcmp(a[0], "link") == 0) {
			if (link(a[3], path) != 0)
				break;
		} else if (strcmp(a[0], "unlink") == 0) {
			if (unlink(path) != 0)
				break;
		} else if (strcmp(a[0], "mkdir") == 0) {
			if (mkdir(path, 0755) != 0)
				break;
		} else {
			fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
			if (fd < 0)
				break;
			close(fd);
		}
	}
	say("%ld %s", made, made == count ? "ok" : strerrorname_np(errno));
}

/* UID:GID,GID...: effective and file system ids; the real ones stay root's, who may come back. */
static void step_as(char **a)
{
	gid_t groups[8];
	size_t count = 0;
	char *rest = strchr(a[0], ':');
	int rc = seteuid(0);

	while (rest != NULL && *rest != 0 && count < 8)
		groups[count++] = strtoul(rest + 1, &rest, 10);
	rc |= setgroups(count - (count > 0), groups + 1) | setegid(count > 0 ? groups[0] : 0) | seteuid(atoi(a[0]));
	outcome(rc);
}

static void step_exec(char **a)
{
	int status, pipes[2], error = 0;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) != 0)
		exit(2);
	pid = fork();
	if (pid == 0) {
		execl(a[0], a[0], (char *)NULL);
		error = errno;
		if (write(pipes[1], &error, sizeof error) < 0)
			_exit(2);
		_exit(127);
	}
	close(pipes[1]);
	if (read(pipes[0], &error, sizeof error) != sizeof error)
		error = 0;
	close(pipes[0]);
	waitpid(pid, &status, 0);
	say("%s %d", error != 0 ? strerrorname_np(error) : "ran", WEXITSTATUS(status));
}

static void step_statfs(char **a)
{
	struct statfs found;

	if (statfs(a[0], &found) != 0)
		outcome(-1);
	else
		say("bsize=%ld frsize=%ld namelen=%ld", (long)found.f_bsize, (long)found.f_frsize, (long)found.f_namelen);
}

const struct step name_steps[] = {
	{ "mkdir", 2, step_mkdir },
	{ "rmdir", 1, step_rmdir },
	{ "unlink", 1, step_unlink },
	{ "unlinkat-dir", 1, step_unlinkat_dir },
	{ "mkfifo", 2, step_mkfifo },
	{ "mknod", 5, step_mknod },
	{ "bind", 1, step_bind },
	{ "create", 2, step_create },
	{ "symlink", 2, step_symlink },
	{ "readlink", 1, step_readlink },
	{ "link", 2, step_link },
	{ "link-follow", 2, step_link_follow },
	{ "link-slot", 2, step_link_slot },
	{ "rename", 2, step_rename },
	{ "rename2", 3, step_rename2 },
	{ "readdir", 1, step_readdir },
	{ "seekdir", 1, step_seekdir },
	{ "readdir-during", 2, step_readdir_during },
	{ "many", 3, step_many },
	{ "access", 2, step_access },
	{ "umask", 1, step_umask },
	{ "chdir", 1, step_chdir },
	{ "as", 1, step_as },
	{ "exec", 1, step_exec },
	{ "statfs", 1, step_statfs },
	{ NULL, 0, NULL },
};
