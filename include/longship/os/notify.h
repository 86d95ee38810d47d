/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the service manager is told (sd_notify). Without NOTIFY_SOCKET all of it does nothing. Any thread.
 */
#include <stdint.h>

/* Up and running, with a line for `systemctl status`. */
void notify_ready(const char *status);
/* A reload begins; notify_ready ends it. */
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *status);
/* How often the watchdog wants to be fed, half of the unit's WatchdogSec; 0: there is none. */
int64_t notify_watchdog_ns(void);
void notify_watchdog(void);
