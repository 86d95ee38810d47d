/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/notify.h"

#include <systemd/sd-daemon.h>

#include "longship/base/clock.h"

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
