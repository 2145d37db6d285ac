/* Steps on file locks, and on handles of files. */
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include "steps.h"

static const struct flag types[] = { { "read", F_RDLCK }, { "write", F_WRLCK }, { "unlock", F_UNLCK }, { NULL, 0 } };

static struct flock range_of(char **a)
{
	struct flock lock = { .l_type = flags_of(types, a[1]), .l_whence = SEEK_SET, .l_start = number(a[2]), .l_len = number(a[3]) };

	return lock;
}

static void step_lock(char **a)
{
	struct flock lock = range_of(a);

	outcome(fcntl(slot(a[0]), F_SETLK, &lock));
}

static void step_ofd_lock(char **a)
{
	struct flock lock = range_of(a);

	outcome(fcntl(slot(a[0]), F_OFD_SETLK, &lock));
}

static void step_lock_test(char **a)
{
	struct flock lock = range_of(a);

	if (fcntl(slot(a[0]), F_GETLK, &lock) != 0)
		outcome(-1);
	else if (lock.l_type == F_UNLCK)
		say("free");
	else
		say("%s [%lld,+%lld)", lock.l_type == F_RDLCK ? "read" : "write", (long long)lock.l_start, (long long)lock.l_len);
}

static void step_flock(char **a)
{
	static const struct flag operations[] = { { "shared", LOCK_SH }, { "exclusive", LOCK_EX }, { "unlock", LOCK_UN }, { NULL, 0 } };

	outcome(flock(slot(a[0]), flags_of(operations, a[1]) | LOCK_NB));
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Waits for a lock that nobody gives back, until a signal comes. */
static void step_lock_interrupted(char **a)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct flock lock = range_of(a);
	int rc;

	sigaction(SIGALRM, &action, NULL);
	ualarm(20000, 20000);
	rc = fcntl(slot(a[0]), F_SETLKW, &lock);
	ualarm(0, 0);
	outcome(rc);
}

/* Waits for a lock that another process gives back by its end. */
static void step_lock_waits(char **a)
{
	struct flock lock = range_of(a);
	int ready[2], end[2], status;
	char byte = 0;
	pid_t pid;

	if (pipe(ready) != 0 || pipe(end) != 0)
		exit(2);
	pid = fork();
	if (pid == 0) {
		byte = fcntl(slot(a[0]), F_SETLK, &lock) != 0;
		if (write(ready[1], &byte, 1) != 1 || read(end[0], &byte, 1) != 1)
			_exit(2);
		_exit(0);
	}
	if (read(ready[0], &byte, 1) != 1 || byte != 0) {
		say("not taken");
		return;
	}
	printf("%s then ", fcntl(slot(a[0]), F_SETLK, &lock) == 0 ? "free" : strerrorname_np(errno));
	if (write(end[1], &byte, 1) != 1)
		exit(2);
	outcome(fcntl(slot(a[0]), F_SETLKW, &lock));
	waitpid(pid, &status, 0);
	close(ready[0]), close(ready[1]), close(end[0]), close(end[1]);
}

/* Waits for a lock of an open file that another process has, as flock or OFD lock, until a signal comes. */
static void step_flock_interrupted(char **a)
{
	struct sigaction action = { .sa_handler = on_alarm };
	int rc;

	sigaction(SIGALRM, &action, NULL);
	ualarm(20000, 20000);
	rc = flock(slot(a[0]), LOCK_EX);
	ualarm(0, 0);
	outcome(rc);
}

/* Another process opens the file and locks all of it; this one waits until that process has ended. */
static void step_flock_waits(char **a)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int ready[2], end[2], status, ofd = strcmp(a[2], "ofd") == 0;
	char byte = 0;
	pid_t pid;

	if (pipe(ready) != 0 || pipe(end) != 0)
		exit(2);
	pid = fork();
	if (pid == 0) {
		int fd = open(a[1], O_RDWR);

		byte = (ofd ? fcntl(fd, F_OFD_SETLK, &all) : flock(fd, LOCK_EX | LOCK_NB)) != 0;
		if (write(ready[1], &byte, 1) != 1 || read(end[0], &byte, 1) != 1)
			_exit(2);
		_exit(0);
	}
	if (read(ready[0], &byte, 1) != 1)
		exit(2);
	printf("%s, ", byte == 0 ? "taken" : "not taken");
	printf("%s then ", (ofd ? fcntl(slot(a[0]), F_OFD_SETLK, &all) : flock(slot(a[0]), LOCK_EX | LOCK_NB)) == 0 ? "free" : strerrorname_np(errno));
	if (write(end[1], &byte, 1) != 1)
		exit(2);
	outcome(ofd ? fcntl(slot(a[0]), F_OFD_SETLKW, &all) : flock(slot(a[0]), LOCK_EX));
	waitpid(pid, &status, 0);
	close(ready[0]), close(ready[1]), close(end[0]), close(end[1]);
}

static void step_lease(char **a)
{
	if (fcntl(slot(a[0]), F_SETLEASE, flags_of(types, a[1])) != 0)
		outcome(-1);
	else
		say("%d", fcntl(slot(a[0]), F_GETLEASE));
}

/* Makes the system forget the inodes and entries that nobody uses. */
static void forget_inodes(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd >= 0 && write(fd, "2", 1) != 1)
		exit(2);
	close(fd);
}

static void step_handle(char **a)
{
	char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	struct file_handle *handle = (struct file_handle *)space;
	struct stat first, second;
	int mount_id, fd, where = open(".", O_RDONLY | O_DIRECTORY);

	handle->handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, a[0], handle, &mount_id, 0) != 0 || lstat(a[0], &first) != 0) {
		outcome(-1);
		return;
	}
	if (a[1] != NULL && strcmp(a[1], "unlink") == 0)
		printf("%s ", unlink(a[0]) == 0 ? "unlinked" : strerrorname_np(errno));
	if (a[1] != NULL && strcmp(a[1], "again") == 0)
		printf("%s ", unlink(a[0]) == 0 && mknod(a[0], S_IFREG | 0644, 0) == 0 ? "another" : strerrorname_np(errno));
	if (a[1] != NULL)
		forget_inodes();
	fd = open_by_handle_at(where, handle, O_RDONLY);
	if (fd < 0 || fstat(fd, &second) != 0)
		outcome(-1);
	else
		say("%s", first.st_ino == second.st_ino ? "same" : "different");
	if (fd >= 0)
		close(fd);
	close(where);
}

const struct step lock_steps[] = {
	{ "lock", 4, step_lock },
	{ "ofd-lock", 4, step_ofd_lock },
	{ "lock-test", 4, step_lock_test },
	{ "lock-interrupted", 4, step_lock_interrupted },
	{ "lock-waits", 4, step_lock_waits },
	{ "flock", 2, step_flock },
	{ "flock-interrupted", 1, step_flock_interrupted },
	{ "flock-waits", 3, step_flock_waits },
	{ "lease", 2, step_lease },
	{ "handle", 1, step_handle },
	{ NULL, 0, NULL },
};
