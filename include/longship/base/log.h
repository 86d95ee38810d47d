/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * longship's own log: logfmt or JSON lines on standard error, with a "<N>" priority in front when
 * standard error is the journal. Until log_start the records are kept (within the limits below), then
 * written with the configured level and format, and a last one tells how many were not kept. Any thread. Only floors from flow up may log.
 *
 *	log_warn(id, "cannot open file", "path", path, "err", strerror(e), NULL);
 *
 * Fields are pairs of C strings, the list ends with NULL. id is the component's id or NULL.
 */
#include <stdbool.h>
#include <stdint.h>

#include "longship/base/str.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

#define LOG_EARLY_MAX 1024     /* kept before log_start: enough for a warning of every component */
#define LOG_EARLY_INFO_MAX 256 /* of them; beyond that only warnings and errors: thousands of files may be taken up */

void log_write(enum log_level, const char *id, const char *msg, ...) __attribute__((sentinel));
#define log_error(id, ...) log_write(LOG_LEVEL_ERROR, (id), __VA_ARGS__)
#define log_warn(id, ...) log_write(LOG_LEVEL_WARN, (id), __VA_ARGS__)
#define log_info(id, ...) log_write(LOG_LEVEL_INFO, (id), __VA_ARGS__)
#define log_debug(id, ...) log_write(LOG_LEVEL_DEBUG, (id), __VA_ARGS__)

bool log_enabled(enum log_level);
/* Sets level and format and writes what was kept; may be called again at any time. */
void log_start(enum log_level, enum log_format);
/* "error", "warn", "info", "debug"; "" is info. */
bool log_level_parse(struct str, enum log_level *ret);
/* For tests: where lines go; -1 is standard error. */
void log_set_fd(int fd);

/* Formats a number for a field; at most LOG_NUM of them live at a time per thread. */
#define LOG_NUM 8
const char *log_i64(int64_t n);
/* At most one true per interval and state: for repeated warnings. *state starts as 0. */
bool log_rate(int64_t *state, int64_t interval_ns);
