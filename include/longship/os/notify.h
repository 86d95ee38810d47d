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

/*
 * Descriptors that outlive the process: the service manager keeps them (FileDescriptorStoreMax= of the unit) until they are
 * forgotten or the service is stopped, and gives them back to the next process.
 */
/* fd stays the caller's. name: letters, digits, '-'; one descriptor each. */
void notify_keep_fd(int fd, const char *name);
void notify_forget_fd(const char *name);
/* A copy (O_CLOEXEC) of the descriptor that came back under this name; -1: none did. It stays kept. Any thread. */
int notify_kept_fd(const char *name);
/* Closes and forgets those that came back and that nobody asked for. */
void notify_drop_kept(void);
