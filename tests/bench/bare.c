/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare loop: what shipping a file costs when nothing else is done. Reads, splits lines, encodes push messages under
 * one label, compresses each megabyte, throws it away. One thread.
 *
 *	bare FILE [REPEAT]     prints bytes, lines, seconds, CPU seconds and CPU seconds per GiB
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "longship/base/clock.h"
#include "longship/base/limits.h"
#include "longship/codec/loki_push.h"
#include "longship/codec/snappy.h"

#define BATCH_BYTES (1u << 20) /* of entries */

struct loop {
	char *entries, *body, *packed;
	size_t n; /* bytes of entries */
	uint64_t bytes, lines, sent_bytes, requests;
	int64_t ts;
};

static void
send_batch(struct loop *l)
{
	size_t head;

	if (l->n == 0)
		return;
	head = loki_push_stream_header(l->body, STR("{job=\"bench\"}"), l->n);
	memcpy(l->body + head, l->entries, l->n);
	l->sent_bytes += snappy_block_compress(l->packed, (struct str){l->body, head + l->n});
	l->requests++;
	l->n = 0;
}

/* The whole lines of a piece; returns how many bytes they are. */
static size_t
take_lines(struct loop *l, const char *s, size_t len)
{
	const char *p = s;
	const char *end = s + len;
	const char *nl;

	while ((nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		l->n += loki_push_entry(l->entries + l->n, l->ts++, (struct str){p, (size_t)(nl - p)}, NULL, 0);
		l->lines++;
		if (l->n >= BATCH_BYTES)
			send_batch(l);
		p = nl + 1;
	}
	return (size_t)(p - s);
}

static int
read_file(struct loop *l, const char *path)
{
	char *span = malloc(SPAN_BYTES_MAX);
	size_t kept = 0;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || span == NULL) {
		free(span);
		return -errno;
	}
	while ((n = read(fd, span + kept, SPAN_BYTES_MAX - kept)) > 0) {
		size_t used = take_lines(l, span, kept + (size_t)n);

		l->bytes += used;
		kept += (size_t)n - used;
		memmove(span, span + used, kept);
	}
	send_batch(l);
	(void)close(fd);
	free(span);
	return n < 0 ? -EIO : 0;
}

static double
cpu_seconds(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int
main(int argc, char **argv)
{
	size_t room = BATCH_BYTES + loki_push_entry_bytes_max(SPAN_BYTES_MAX);
	struct loop l = {.ts = INT64_C(1700000000123456789)};
	int repeat = argc > 2 ? atoi(argv[2]) : 1;
	int64_t start;
	double seconds, cpu;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: bare FILE [REPEAT]\n");
		return 2;
	}
	l.entries = malloc(room);
	l.body = malloc(room + 100);
	l.packed = malloc(snappy_block_bytes_max(room + 100));
	if (l.entries == NULL || l.body == NULL || l.packed == NULL)
		return 3;
	start = clock_mono_ns();
	for (int i = 0; i < repeat; i++) {
		int r = read_file(&l, argv[1]);

		if (r < 0) {
			(void)fprintf(stderr, "%s: %s\n", argv[1], strerror(-r));
			return 3;
		}
	}
	seconds = (double)(clock_mono_ns() - start) / 1e9;
	cpu = cpu_seconds();
	(void)printf("bytes=%llu lines=%llu requests=%llu sent_bytes=%llu seconds=%.3f cpu_seconds=%.3f cpu_seconds_per_gib=%.3f\n",
		(unsigned long long)l.bytes, (unsigned long long)l.lines, (unsigned long long)l.requests,
		(unsigned long long)l.sent_bytes, seconds, cpu, cpu / ((double)l.bytes / (1 << 30)));
	free(l.entries);
	free(l.body);
	free(l.packed);
	return 0;
}
