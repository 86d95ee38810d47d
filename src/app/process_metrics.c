/* SPDX-License-Identifier: Apache-2.0 */
#include "process_metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "longship/base/clock.h"
#include "longship/flow/metric.h"

#if defined(__x86_64__)
#define ARCH "amd64" /* as Go names them */
#elif defined(__aarch64__)
#define ARCH "arm64"
#else
#define ARCH "other"
#endif

struct usage {
	double cpu_s, virtual_bytes, resident_bytes, start_s;
};

/* Fields 14, 15, 22, 23, 24 of /proc/self/stat; the name in field 2 may hold anything but ends at the last ')'. */
static bool
read_stat(struct usage *ret)
{
	unsigned long long user, kernel, start, virtual_bytes;
	long resident_pages, ticks = sysconf(_SC_CLK_TCK);
	double now_s = (double)clock_now_ns() / 1e9;
	struct timespec boot;
	char text[2048];
	const char *rest;
	size_t n;
	FILE *in = fopen("/proc/self/stat", "re");

	if (in == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[n] = '\0';
	rest = strrchr(text, ')');
	if (rest == NULL ||
		sscanf(rest + 1,
			" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu %llu %ld",
			&user, &kernel, &start, &virtual_bytes, &resident_pages) != 5)
		return false;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	ret->cpu_s = (double)(user + kernel) / (double)ticks;
	ret->virtual_bytes = (double)virtual_bytes;
	ret->resident_bytes = (double)resident_pages * (double)sysconf(_SC_PAGESIZE);
	/* To the tick, so that it does not tremble from scrape to scrape. */
	ret->start_s = round((now_s - ((double)boot.tv_sec + (double)boot.tv_nsec / 1e9)) * 10) / 10 +
		       (double)start / (double)ticks;
	return true;
}

int64_t
process_metrics_start_ns(void)
{
	struct usage usage;

	return read_stat(&usage) ? (int64_t)(usage.start_s * 1e9) : clock_now_ns();
}

static double
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	double n = 0;

	if (dir == NULL)
		return 0;
	for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* the directory's own */
}

/* Sums over all interfaces, as Alloy does. */
static bool
read_network(double *ret_rx, double *ret_tx)
{
	FILE *in = fopen("/proc/net/dev", "re");
	double rx = 0, tx = 0;
	char line[512];

	if (in == NULL)
		return false;
	while (fgets(line, sizeof(line), in) != NULL) {
		const char *colon = strchr(line, ':');
		unsigned long long in_bytes, out_bytes;

		if (colon != NULL &&
			sscanf(colon + 1, "%llu %*u %*u %*u %*u %*u %*u %*u %llu", &in_bytes, &out_bytes) == 2) {
			rx += (double)in_bytes;
			tx += (double)out_bytes;
		}
	}
	fclose(in);
	*ret_rx = rx;
	*ret_tx = tx;
	return true;
}

static void
set(struct metrics *metrics, enum metric_type type, const char *name, const char *help, double value)
{
	metric_set(metric_get(metrics, type, name, help, NULL, NULL), value);
}

static void
on_scrape(void *ptr)
{
	struct metrics *m = ptr;
	struct usage usage;
	struct rlimit limit;
	double rx, tx;

	if (read_stat(&usage)) {
		set(m, METRIC_COUNTER, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
			usage.cpu_s);
		set(m, METRIC_GAUGE, "process_resident_memory_bytes", "Resident memory size in bytes.",
			usage.resident_bytes);
		set(m, METRIC_GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
			usage.virtual_bytes);
		set(m, METRIC_GAUGE, "process_start_time_seconds",
			"Start time of the process since unix epoch in seconds.", usage.start_s);
		set(m, METRIC_COUNTER, "alloy_resources_process_cpu_seconds_total",
			"Total user and system CPU time spent in seconds.", usage.cpu_s);
		set(m, METRIC_GAUGE, "alloy_resources_process_resident_memory_bytes", "Resident memory size in bytes.",
			usage.resident_bytes);
		set(m, METRIC_GAUGE, "alloy_resources_process_virtual_memory_bytes", "Virtual memory size in bytes.",
			usage.virtual_bytes);
		set(m, METRIC_GAUGE, "alloy_resources_process_start_time_seconds",
			"Start time of the process since unix epoch in seconds.", usage.start_s);
	}
	set(m, METRIC_GAUGE, "process_open_fds", "Number of open file descriptors.", count_fds());
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		set(m, METRIC_GAUGE, "process_max_fds", "Maximum number of open file descriptors.",
			(double)limit.rlim_cur);
	if (read_network(&rx, &tx)) {
		set(m, METRIC_COUNTER, "alloy_resources_machine_rx_bytes_total",
			"Total bytes, host-wide, received across all network interfaces.", rx);
		set(m, METRIC_COUNTER, "alloy_resources_machine_tx_bytes_total",
			"Total bytes, host-wide, sent across all given network interface.", tx);
	}
}

void
process_metrics_init(struct metrics *metrics)
{
	metric_set(metric_get(metrics, METRIC_GAUGE, "alloy_build_info",
			   "A metric with a constant '1' value labeled by version, revision, branch and goversion.",
			   NULL, "version", LONGSHIP_VERSION, "revision", "", "branch", "", "goversion", "", "goos",
			   "linux", "goarch", ARCH, "tags", "", NULL),
		1);
	metrics_on_scrape(metrics, on_scrape, metrics);
}

void
process_metrics_done(struct metrics *metrics)
{
	metrics_off_scrape(metrics, on_scrape, metrics);
}
