/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/notify.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "longship/base/clock.h"
#include "longship/base/mem.h"

/* A manager that cannot be told is no reason to stop shipping logs: failures are ignored throughout. */

void
notify_ready(const char *status)
{
	(void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void
notify_reloading(void)
{
	/* Type=notify-reload wants to know which reload this is. */
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_mono_ns() / NS_PER_US));
}

void
notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
}

void
notify_status(const char *status)
{
	(void)sd_notifyf(0, "STATUS=%s", status);
}

int64_t
notify_watchdog_ns(void)
{
	uint64_t us = 0;

	if (sd_watchdog_enabled(0, &us) <= 0)
		return 0;
	return (int64_t)us * NS_PER_US / 2;
}

void
notify_watchdog(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}

/* ---- Kept descriptors ---- */

static struct {
	pthread_mutex_t lock;
	bool known;
	int n;
	char **names; /* libsystemd's; SD_LISTEN_FDS_START + i */
	bool *asked;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Lock held. */
static void
know_kept(void)
{
	if (kept.known)
		return;
	kept.known = true;
	kept.n = sd_listen_fds_with_names(0, &kept.names);
	if (kept.n <= 0)
		kept.n = 0;
	else
		kept.asked = mem_zalloc((size_t)kept.n * sizeof(*kept.asked));
}

void
notify_keep_fd(int fd, const char *name)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	(void)sd_pid_notify_with_fds(0, 0, text, &fd, 1);
}

void
notify_forget_fd(const char *name)
{
	(void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

int
notify_kept_fd(const char *name)
{
	int fd = -1;

	(void)pthread_mutex_lock(&kept.lock);
	know_kept();
	for (int i = 0; i < kept.n && fd < 0; i++) {
		if (kept.names[i] == NULL || strcmp(kept.names[i], name) != 0)
			continue;
		kept.asked[i] = true;
		fd = fcntl(SD_LISTEN_FDS_START + i, F_DUPFD_CLOEXEC, 0);
	}
	(void)pthread_mutex_unlock(&kept.lock);
	return fd;
}

void
notify_drop_kept(void)
{
	(void)pthread_mutex_lock(&kept.lock);
	know_kept();
	for (int i = 0; i < kept.n; i++) {
		if (!kept.asked[i])
			notify_forget_fd(kept.names[i]);
		(void)close(SD_LISTEN_FDS_START + i);
		free(kept.names[i]);
	}
	free(kept.names);
	mem_free(kept.asked);
	kept.names = NULL;
	kept.asked = NULL;
	kept.n = 0;
	(void)pthread_mutex_unlock(&kept.lock);
}
