/*
 * Runs cases of system calls in the current directory and prints what each call answered, a line a step.
 * Input: "case DIRECTORY" begins a case, each other line is a step of it: a name and words. Each case runs in a
 * process and a fresh directory of its own. "" is an empty word, %XX a byte.
 */
#include <stdarg.h>
#include <sys/wait.h>
#include "steps.h"

#define LINE 65536
#define WORDS 16
#define CASE_LINES 400
#define CASE_SECONDS 10

int slots[SLOTS];

static const struct step *const tables[] = { name_steps, file_steps, attribute_steps, lock_steps, xattr_steps };

void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

void outcome(long rc)
{
	say("%s", rc < 0 ? strerrorname_np(errno) : "ok");
}

static void put_byte(unsigned char byte)
{
	if (byte > ' ' && byte < 127 && byte != '\\')
		putchar(byte);
	else
		printf("\\%02x", byte);
}

void say_bytes(const unsigned char *bytes, size_t length)
{
	printf("%zu:", length);
	for (size_t at = 0; at < length;) {
		size_t run = 1;

		while (at + run < length && bytes[at + run] == bytes[at])
			run++;
		if (run >= 5) {
			printf(" %zu*", run);
			put_byte(bytes[at]);
			putchar(' ');
			at += run;
		} else {
			put_byte(bytes[at++]);
		}
	}
	putchar('\n');
}

long long number(const char *word)
{
	char *end;
	long long value = strtoll(word, &end, 0);
	const char *unit = *end == 0 ? "" : strchr("KMGT", *end);

	if (unit == NULL) {
		say("not a number: %s", word);
		exit(2);
	}
	if (*unit != 0)
		value <<= 10 * (unit[0] == 'K' ? 1 : unit[0] == 'M' ? 2 : unit[0] == 'G' ? 3 : 4);
	return value;
}

mode_t octal(const char *word)
{
	return strtoul(word, NULL, 8);
}

int slot(const char *word)
{
	return slots[atoi(word) % SLOTS];
}

long flags_of(const struct flag *table, const char *list)
{
	long flags = 0;

	for (const char *from = list; strcmp(list, "0") != 0 && *from != 0;) {
		size_t length = strcspn(from, ",");
		const struct flag *flag = table;

		while (flag->name != NULL && (strlen(flag->name) != length || strncmp(flag->name, from, length) != 0))
			flag++;
		if (flag->name == NULL) {
			say("no such flag: %s", from);
			exit(2);
		}
		flags |= flag->value;
		from += length + (from[length] == ',');
	}
	return flags;
}

size_t decode(char *word)
{
	char *to = word;

	for (const char *from = word; *from != 0; to++) {
		unsigned int byte;

		if (*from == '%' && sscanf(from + 1, "%2x", &byte) == 1) {
			*to = byte;
			from += 3;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
	return to - word;
}

static const struct step *find_step(const char *name)
{
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		for (const struct step *step = tables[i]; step->name != NULL; step++)
			if (strcmp(step->name, name) == 0)
				return step;
	return NULL;
}

static void run_words(char **words, int count);

/* The rest of the line as a process of its own, which inherits the open files. */
static void run_elsewhere(char **words, int count)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		run_words(words, count);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status != 0)
		say("ended with %x", status);
}

static void run_words(char **words, int count)
{
	const struct step *step = find_step(words[0]);

	if (strcmp(words[0], "elsewhere") == 0)
		run_elsewhere(words + 1, count - 1);
	else if (step == NULL || count - 1 < step->words)
		say("no such step: %s of %d words", words[0], count - 1);
	else
		step->run(words + 1);
}

static void run_line(char *line)
{
	char *words[WORDS + 1];
	int count = 0;

	for (char *word = strtok(line, " "); word != NULL && count < WORDS; word = strtok(NULL, " ")) {
		if (strcmp(word, "\"\"") == 0)
			word[0] = 0;
		words[count++] = word;
	}
	words[count] = NULL;
	if (count > 0)
		run_words(words, count);
}

static void run_case(const char *name, char **lines, int count)
{
	int status;
	pid_t pid;

	say("case %s", name);
	if (mkdir(name, 0777) != 0 || chmod(name, 0777) != 0)
		perror(name);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(CASE_SECONDS);
		umask(0);
		for (int i = 0; i < SLOTS; i++)
			slots[i] = -1;
		if (chdir(name) != 0)
			_exit(3);
		for (int i = 0; i < count; i++)
			run_line(lines[i]);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status != 0)
		say("the case ended with %x", status);
}

int main(void)
{
	static char line[LINE];
	char *name = NULL, *lines[CASE_LINES];
	int count = 0;

	while (fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "case ", 5) != 0) {
			if (count < CASE_LINES)
				lines[count++] = strdup(line);
			continue;
		}
		if (name != NULL)
			run_case(name, lines, count);
		while (count > 0)
			free(lines[--count]);
		free(name);
		name = strdup(line + 5);
	}
	if (name != NULL)
		run_case(name, lines, count);
	return 0;
}
