/* What the steps of a case share: the state of the process that runs the case, and how it tells what it saw. */
#ifndef STEPS_H
#define STEPS_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define SLOTS 16

/* `a` are the words behind the step's name, ended by NULL; there are at least `words` of them. */
struct step {
	const char *name;
	int words;
	void (*run)(char **a);
};

/* Tables that end with a step without a name. */
extern const struct step name_steps[], file_steps[], attribute_steps[], lock_steps[], xattr_steps[];

/* Open files, by the number that the case gives them; -1 is closed. */
extern int slots[SLOTS];

/* Each step tells exactly one result: text, or for `outcome` "ok" or the error's name. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void outcome(long rc);
/* Bytes, with runs of five or more shortened to COUNT*BYTE. */
void say_bytes(const unsigned char *bytes, size_t length);

/* Decimal, hexadecimal with 0x, and with one of the suffixes K M G T. */
long long number(const char *word);
mode_t octal(const char *word);
int slot(const char *word);
/* The `or` of the flags whose names stand in a list with commas; "0" is none. */
struct flag {
	const char *name;
	long value;
};
long flags_of(const struct flag *table, const char *list);
/* %XX becomes that byte, in place; the number of bytes. */
size_t decode(char *word);

#endif
