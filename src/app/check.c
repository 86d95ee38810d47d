/* SPDX-License-Identifier: Apache-2.0 */
#include "check_priv.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "longship/base/buf.h"
#include "longship/base/check.h"

#define FINDING_BYTES_MAX (16u << 10) /* two paths and a sentence */

void
check_finding(struct check *c, enum check_level level, const char *mend, const char *format, ...)
{
	static const char *const names[] = {"ok  ", "warn", "FAIL"};
	struct buf line;
	va_list ap;

	buf_init(&line, FINDING_BYTES_MAX);
	va_start(ap, format);
	(void)buf_vprintf(&line, format, ap);
	va_end(ap);
	if (mend != NULL)
		(void)buf_printf(&line, "  — mend: %s", mend);
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.data[i] < ' ' || line.data[i] == 0x7f)
			line.data[i] = '?';
	printf("%s  %.*s\n", names[level], STR_FMT(buf_view(&line)));
	(void)fflush(stdout);
	buf_done(&line);
	c->failed = c->failed || level == CHECK_FAIL;
}

const struct arg_spec *
check_row(const struct arg_spec *spec, const char *name)
{
	while (spec->kind != ARG_END && (spec->name == NULL || strcmp(spec->name, name) != 0))
		spec++;
	assert(spec->kind != ARG_END);
	return spec;
}

const void *
check_field(const struct arg_spec *spec, const void *args, const char *name)
{
	return (const char *)args + check_row(spec, name)->offset;
}

const char *
check_word(struct check *c, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,";
	struct buf word;
	const char *result;

	if (text[0] != '\0' && strspn(text, plain) == strlen(text))
		return text;
	buf_init(&word, FINDING_BYTES_MAX);
	(void)buf_putc(&word, '\'');
	for (; *text != '\0'; text++)
		(void)(*text == '\'' ? buf_z(&word, "'\\''") : buf_putc(&word, *text));
	(void)buf_putc(&word, '\'');
	result = arena_z(c->arena, buf_view(&word));
	buf_done(&word);
	return result;
}

const char *
check_barrier(struct check *c, const char *path)
{
	char *part = (char *)(uintptr_t)arena_z(c->arena, str_from(path));
	struct stat st;

	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (stat(part, &st) == 0 && faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) != 0)
			return part;
		*slash = '/';
	}
	if (stat(part, &st) == 0 && S_ISDIR(st.st_mode) && faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) != 0)
		return part;
	return NULL;
}
