/* Steps on extended attributes and POSIX ACLs. */
#include <sys/xattr.h>
#include "steps.h"

#define MOST 65536

static const struct flag set_flags[] = { { "create", XATTR_CREATE }, { "replace", XATTR_REPLACE }, { NULL, 0 } };
static unsigned char bytes[MOST + 1];

static void step_setxattr(char **a)
{
	size_t length = decode(a[2]);

	outcome(setxattr(a[0], a[1], a[2], length, a[3] == NULL ? 0 : flags_of(set_flags, a[3])));
}

static void step_lsetxattr(char **a)
{
	outcome(lsetxattr(a[0], a[1], a[2], strlen(a[2]), 0));
}

/* COUNT times a character. */
static void step_fillxattr(char **a)
{
	size_t length = number(a[2]);
	char *value = malloc(length + 1);

	memset(value, a[3][0], length);
	outcome(setxattr(a[0], a[1], value, length, 0));
	free(value);
}

static void say_value(ssize_t length)
{
	if (length < 0)
		outcome(-1);
	else
		say_bytes(bytes, length);
}

static void step_getxattr(char **a) { say_value(getxattr(a[0], a[1], bytes, a[2] == NULL ? MOST : number(a[2]))); }
static void step_lgetxattr(char **a) { say_value(lgetxattr(a[0], a[1], bytes, MOST)); }
static void step_removexattr(char **a) { outcome(removexattr(a[0], a[1])); }

static void step_getxattr_size(char **a)
{
	ssize_t length = getxattr(a[0], a[1], NULL, 0);

	if (length < 0)
		outcome(-1);
	else
		say("%zd", length);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void step_listxattr(char **a)
{
	char *names[256];
	int count = 0;
	ssize_t length = llistxattr(a[0], (char *)bytes, a[1] == NULL ? MOST : number(a[1]));

	if (length < 0) {
		outcome(-1);
		return;
	}
	for (ssize_t at = 0; at < length && count < 256; at += strlen((char *)bytes + at) + 1)
		names[count++] = (char *)bytes + at;
	qsort(names, count, sizeof *names, by_name);
	for (int i = 0; i < count; i++)
		printf("%s ", names[i]);
	say("%d", count);
}

/* The entries of an ACL's value: version, then tag, permissions and id of each, little endian. */
static const struct flag tags[] = {
	{ "u", 0x01 }, { "user", 0x02 }, { "g", 0x04 }, { "group", 0x08 }, { "m", 0x10 }, { "o", 0x20 }, { NULL, 0 }
};

static const char *attribute_of(const char *kind)
{
	return strcmp(kind, "default") == 0 ? "system.posix_acl_default" : "system.posix_acl_access";
}

static void put16(unsigned char *to, unsigned int value)
{
	to[0] = value;
	to[1] = value >> 8;
}

/* u:7 user:1000:6 g:5 group:100:4 m:7 o:0 */
static void step_setacl(char **a)
{
	size_t length = 4;

	memset(bytes, 0, 4);
	bytes[0] = 2;
	for (char **entry = a + 2; *entry != NULL; entry++, length += 8) {
		char *first = strchr(*entry, ':'), *last = strrchr(*entry, ':');
		unsigned int id = first == last ? 0xffffffff : strtoul(first + 1, NULL, 10);

		*first = 0;
		put16(bytes + length, flags_of(tags, *entry));
		put16(bytes + length + 2, atoi(last + 1));
		put16(bytes + length + 4, id);
		put16(bytes + length + 6, id >> 16);
	}
	outcome(setxattr(a[0], attribute_of(a[1]), bytes, length, 0));
}

static void step_getacl(char **a)
{
	ssize_t length = getxattr(a[0], attribute_of(a[1]), bytes, MOST);

	if (length < 0) {
		outcome(-1);
		return;
	}
	for (ssize_t at = 4; at + 8 <= length; at += 8) {
		const struct flag *tag = tags;

		while (tag->name != NULL && tag->value != bytes[at])
			tag++;
		printf("%s:", tag->name);
		if (bytes[at] == 2 || bytes[at] == 8)
			printf("%u:", bytes[at + 4] | bytes[at + 5] << 8);
		printf("%d ", bytes[at + 2]);
	}
	say("%zd", length);
}

const struct step xattr_steps[] = {
	{ "setxattr", 3, step_setxattr },
	{ "lsetxattr", 3, step_lsetxattr },
	{ "fillxattr", 4, step_fillxattr },
	{ "getxattr", 2, step_getxattr },
	{ "lgetxattr", 2, step_lgetxattr },
	{ "getxattr-size", 2, step_getxattr_size },
	{ "listxattr", 1, step_listxattr },
	{ "removexattr", 2, step_removexattr },
	{ "setacl", 2, step_setacl },
	{ "getacl", 2, step_getacl },
	{ NULL, 0, NULL },
};
