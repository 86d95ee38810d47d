/* SPDX-License-Identifier: Apache-2.0 */
/* positions write N DIR, positions open DIR: how long a store of N files takes to be written, to be opened, and how much memory it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/positions/positions.h"

#define WRITE_MAX 1000 /* files in one write, as in a turn of the sender */

static long
resident_kib(void)
{
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");
	long kib = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (f != NULL)
		(void)fclose(f);
	return kib;
}

static void
write_all(struct positions *p, size_t n)
{
	static struct position_update updates[WRITE_MAX];
	static char keys[WRITE_MAX][96], path[96];
	struct position position = {.offset = 123456789, .n_checkpoints = 2, .checkpoints = {{256, 1}, {123456789, 2}}};

	for (size_t i = 0; i < n;) {
		size_t k;

		for (k = 0; k < WRITE_MAX && i < n; k++, i++) {
			(void)snprintf(keys[k], sizeof(keys[k]), "file|loki.source.file.f|fe00.%zu.1790000000123456789.0|0", i + 1000000);
			(void)snprintf(path, sizeof(path), "/var/log/pods/namespace_pod-%zu_uid/container/0.log", i);
			positions_declare(p, str_from(keys[k]), str_from(path), STR("{job=\"pods\"}"));
			updates[k] = (struct position_update){.kind = POSITION_SET, .key = str_from(keys[k]), .position = &position};
		}
		if (positions_write(p, updates, k) < 0)
			exit(1);
	}
}

static void
say(const char *what, int64_t began_ns, struct timespec cpu_before)
{
	struct timespec cpu;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("%s %.3f s, %.3f CPU s\n", what, (double)(clock_mono_ns() - began_ns) / 1e9,
		(double)(cpu.tv_sec - cpu_before.tv_sec) + (double)(cpu.tv_nsec - cpu_before.tv_nsec) / 1e9);
}

int
main(int argc, char **argv)
{
	bool writes = argc == 4 && strcmp(argv[1], "write") == 0;
	struct positions_report report;
	struct positions_stats stats;
	struct positions *p;
	struct timespec cpu;
	int64_t began = clock_mono_ns();
	long before = resident_kib();
	int pid;

	if (!writes && (argc != 3 || strcmp(argv[1], "open") != 0)) {
		fprintf(stderr, "usage: positions write N DIR | open DIR\n");
		return 2;
	}
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	if (positions_open(argv[argc - 1], &p, &report, &pid) < 0)
		return 1;
	if (writes) {
		write_all(p, (size_t)atol(argv[2]));
		say("written:", began, cpu);
	} else {
		say("opened:", began, cpu);
		positions_stats(p, &stats);
		printf("%zu files, each %ld bytes of memory, %ld on disk\n", report.streams,
			(resident_kib() - before) * 1024 / (long)report.streams, (long)(stats.file_bytes / report.streams));
	}
	positions_close(p);
	return 0;
}
