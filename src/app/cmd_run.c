/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "longship/app/catalog.h"
#include "longship/app/commands.h"
#include "longship/base/check.h"
#include "longship/base/clock.h"
#include "longship/base/log.h"
#include "longship/flow/budget.h"
#include "longship/flow/graph.h"
#include "longship/flow/lane.h"
#include "longship/flow/mark.h"
#include "longship/flow/metric.h"
#include "longship/flow/runtime.h"
#include "longship/flow/sender.h"
#include "longship/flow/stream.h"
#include "longship/flow/watcher.h"
#include "longship/os/file.h"
#include "longship/os/harden.h"
#include "longship/os/loop.h"
#include "longship/os/notify.h"
#include "longship/positions/positions.h"

#include "config_metrics.h"
#include "control.h"
#include "keeper.h"
#include "left_wals.h"
#include "options.h"
#include "process_metrics.h"
#include "server.h"

/*
 * The daemon. Up: signals (before any thread), store, metrics, marks, sender, lanes, HTTP server, graph. Down in
 * the opposite order, with the wire given --drain-timeout to settle. Signals are blocked and come through the
 * loop; while the control thread waits for the drain they are open again, so that a second SIGTERM ends the
 * process at once: the store is safe against that at any moment.
 */

#define POSITIONS_AGE_NS (30 * 86400 * NS_PER_S) /* a target that is gone for less goes on where it was */
#define EXPIRE_EVERY_NS (86400 * NS_PER_S)
#define KEPT_NS	(600 * NS_PER_S) /* descriptors that came back from the service manager wait so long for their source */

struct run {
	struct options options;
	struct runtime runtime;
	struct graph *graph;
	struct server *server;
	struct control *control;
	struct config_metrics *config_metrics;
	struct keeper *keeper;
	struct loop_timer *watchdog, *expire, *kept;
	bool ready;
};

static void
raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn(NULL, "cannot raise the limit of open files", "err", strerror(errno), NULL);
}

static void
log_warnings(struct diags *diags)
{
	for (size_t i = 0; i < diags->n; i++) {
		const struct diag *d = &diags->items[i];
		char at[512] = "-", text[2048];
		uint32_t line, column;

		if (d->level != DIAG_WARNING)
			continue;
		if (d->pos.file > 0 && d->pos.file <= diags->source->n_files) {
			source_line_col(diags->source, d->pos, &line, &column);
			snprintf(at, sizeof(at), "%.*s:%u:%u", STR_FMT(diags->source->files[d->pos.file - 1].name),
				line, column);
		}
		snprintf(text, sizeof(text), "%.*s", STR_FMT(d->text));
		log_warn(NULL, text, "at", at, NULL);
	}
}

static struct graph_load *
load(struct run *run, bool *ret_ok)
{
	struct graph_load *next = graph_load(
		run->graph, (const char *const *)run->options.operands, run->options.n_operands, GRAPH_LOAD_RUN);

	*ret_ok = graph_apply(run->graph, next);
	config_metrics_loaded(run->config_metrics, *ret_ok, graph_load_hash(next));
	return next;
}

static bool
first_load(struct run *run)
{
	int64_t start_ns = clock_mono_ns();
	struct graph_load *first;
	bool ok;

	log_info(NULL, "starting complete graph evaluation", NULL);
	first = load(run, &ok);
	/* A logging block has started the log already, with its own settings. */
	if (graph_find(run->graph, "logging") == NULL)
		log_start(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	if (ok) {
		char took[32];

		snprintf(took, sizeof(took), "%.3fms", (double)(clock_mono_ns() - start_ns) / 1e6);
		log_warnings(graph_load_diags(first));
		log_info(NULL, "finished complete graph evaluation", "duration", took, NULL);
		left_wals_warn(run->options.storage_path, run->graph);
	} else {
		diags_print(graph_load_diags(first), stderr, isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == NULL);
		printf("\n");
		fprintf(stderr, "Error: could not perform the initial load successfully\n");
	}
	graph_load_free(first);
	return ok;
}

static bool
reload(void *ptr, struct buf *why)
{
	struct run *run = ptr;
	struct graph_load *next;
	bool ok;

	notify_reloading();
	next = load(run, &ok);
	if (ok) {
		log_warnings(graph_load_diags(next));
		log_info(NULL, "config reloaded", NULL);
		left_wals_warn(run->options.storage_path, run->graph);
	} else {
		struct buf summary;

		buf_init(&summary, 64 << 10);
		diags_summary(graph_load_diags(next), &summary);
		buf_str(why, buf_view(&summary));
		buf_putc(&summary, '\0');
		log_error(NULL, "failed to reload config", "err", summary.data, NULL);
		buf_done(&summary);
	}
	graph_load_free(next);
	notify_ready("Running");
	return ok;
}

static bool
is_ready(void *ptr)
{
	struct run *run = ptr;

	return run->ready;
}

static void
on_hangup(void *ptr, int signal_number)
{
	struct buf why;

	(void)signal_number;
	buf_init(&why, 64 << 10);
	(void)reload(ptr, &why);
	buf_done(&why);
}

static void
on_terminate(void *ptr, int signal_number)
{
	struct run *run = ptr;

	log_info(NULL, "stopping", "signal", strsignal(signal_number), NULL);
	loop_quit(run->runtime.loop, STATUS_FINE);
}

/* A thread that hangs must not be covered up by this one. Both are asked each time: each counts from its last answer. */
static void
on_watchdog(void *ptr)
{
	struct run *run = ptr;
	bool lanes = lanes_alive(run->runtime.lanes), sender = sender_alive(run->runtime.sender);

	if (lanes && sender)
		notify_watchdog();
	else
		log_warn(NULL, "a thread has not moved since the last look; the watchdog is not fed", "thread", lanes ? "sender" : "lane",
			NULL);
}

/* Positions of what nobody has followed for long. All that is followed now is told to the store first. */
static void
on_expire(void *ptr)
{
	struct run *run = ptr;
	size_t n;

	lanes_touch(run->runtime.lanes, run->runtime.positions);
	n = positions_expire(run->runtime.positions, clock_now_ns(), POSITIONS_AGE_NS);
	if (n > 0)
		log_info(NULL, "forgot positions that nobody used for 30 days", "streams", log_i64((int64_t)n), NULL);
}

static void
on_kept(void *ptr)
{
	(void)ptr;
	notify_drop_kept();
}

static int
open_loop(struct run *run)
{
	int r = loop_new(&run->runtime.loop);

	if (r >= 0)
		r = loop_signal(run->runtime.loop, SIGTERM, on_terminate, run);
	if (r >= 0)
		r = loop_signal(run->runtime.loop, SIGINT, on_terminate, run);
	if (r >= 0)
		r = loop_signal(run->runtime.loop, SIGHUP, on_hangup, run);
	if (r >= 0)
		r = loop_timer_new(run->runtime.loop, on_watchdog, run, &run->watchdog);
	if (r >= 0)
		r = loop_timer_new(run->runtime.loop, on_expire, run, &run->expire);
	if (r >= 0)
		r = loop_timer_new(run->runtime.loop, on_kept, run, &run->kept);
	if (r < 0)
		fprintf(stderr, "longship run: cannot make the event loop: %s\n", strerror(-r));
	return r;
}

static const char *
wall(int r)
{
	return r == 0 ? "on" : strerror(-r);
}

/* Before the first thread: landlock would not reach it. */
static void
harden(const struct options *options)
{
	const struct harden_options harden = {.write_dirs = &options->storage_path, .n_write_dirs = 1, .own_program = true};
	struct harden_report report;

	if (!options->sandbox) {
		log_warn(NULL, "the sandbox is switched off", "flag", "--sandbox", NULL);
		return;
	}
	/* A directory that cannot be made is the store's to report. */
	if (file_make_dirs(options->storage_path, 0750) < 0 || harden_self(&harden, &report) == 0)
		return;
	log_warn(NULL, "the sandbox is not complete, what this kernel does not offer is left out", "no_new_privs",
		wall(report.privileges), "landlock", wall(report.landlock), "seccomp", wall(report.seccomp), NULL);
}

static int
open_store(struct run *run)
{
	const char *dir = run->options.storage_path;
	struct positions_report report;
	int pid = 0;
	int r = positions_open(dir, &run->runtime.positions, &report, &pid);

	if (r == -EWOULDBLOCK)
		fprintf(stderr, "longship run: %s is in use by another longship, pid %d\n", dir, pid);
	else if (r == -EPROTONOSUPPORT)
		fprintf(stderr, "longship run: the positions in %s were written by a newer longship\n", dir);
	else if (r < 0)
		fprintf(stderr, "longship run: cannot open the positions in %s: %s\n", dir, strerror(-r));
	else if (report.text[0] != '\0')
		log_warn(NULL, report.text, "dir", dir, NULL);
	return r;
}

static int
open_server(struct run *run)
{
	const struct server_hooks hooks = {.ptr = run, .reload = reload, .ready = is_ready};
	char error[SERVER_ERROR_BYTES] = "";
	int r = server_new(&run->runtime, run->options.listen_addr, &hooks, &run->server, error);

	if (r < 0)
		fprintf(stderr, "longship run: %s\n", error);
	return r;
}

/* Without the socket longship works, too: status and positions do not. */
static void
open_control(struct run *run)
{
	int r = control_new(&run->runtime, &run->control);

	if (r < 0)
		log_warn(NULL, "cannot make the control socket; longship status will not find this instance", "dir",
			run->options.storage_path, "err", strerror(-r), NULL);
}

/* Without inotify longship works, too: sources poll. */
static void
open_watcher(struct runtime *runtime)
{
	int r = watcher_new(runtime->loop, &runtime->watcher);

	if (r < 0)
		log_warn(NULL, "the kernel gives no inotify instance; files are polled", "err", strerror(-r), "hint",
			"raise fs.inotify.max_user_instances", NULL);
}

/* 0, or the exit status. */
static int
set_up(struct run *run)
{
	struct runtime *runtime = &run->runtime;

	raise_descriptors();
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || open_loop(run) < 0)
		return STATUS_SYSTEM;
	harden(&run->options);
	if (open_store(run) < 0)
		return STATUS_SYSTEM;
	runtime->metrics = metrics_new();
	process_metrics_init(runtime->metrics);
	run->config_metrics = config_metrics_new(runtime->metrics);
	budget_set_limit(runtime->memory_budget_bytes);
	if (open_server(run) < 0 || keeper_new(runtime, &run->keeper) < 0)
		return STATUS_SYSTEM;
	open_control(run);
	open_watcher(runtime);
	runtime->marks = marks_new(positions_last_ns(runtime->positions));
	runtime->sender = sender_new(runtime);
	runtime->lanes = lanes_new(runtime, run->options.lanes);
	run->graph = graph_new(runtime, &(struct graph_options){.types = catalog_types,
						.known = known_names,
						.skip_unsupported = run->options.skip_unsupported});
	server_set_graph(run->server, run->graph);
	if (run->control != NULL)
		control_set_graph(run->control, run->graph);
	return 0;
}

static void
quit_now(int signal_number)
{
	(void)signal_number;
	_exit(STATUS_FINE);
}

/* From here on the next SIGTERM or SIGINT ends the process. */
static void
open_signals(void)
{
	struct sigaction action = {.sa_handler = quit_now};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void
drain(struct run *run)
{
	notify_stopping();
	run->ready = false;
	open_signals();
	lanes_drain(run->runtime.lanes);
	if (!sender_drain(run->runtime.sender, run->runtime.drain_timeout_ns))
		log_warn(
			NULL, "not all was sent before the drain timeout; it is sent again after the next start", NULL);
}

static void
tear_down(struct run *run)
{
	struct runtime *runtime = &run->runtime;

	if (run->server != NULL)
		server_set_graph(run->server, NULL);
	control_free(run->control);
	graph_free(run->graph);
	server_free(run->server);
	lanes_free(runtime->lanes);
	/* What streams posted at their end. */
	while (runtime->loop != NULL && loop_turn(runtime->loop, 0) > 0)
		;
	sender_free(runtime->sender);
	watcher_free(runtime->watcher);
	keeper_free(run->keeper);
	marks_free(runtime->marks);
	positions_close(runtime->positions);
	config_metrics_free(run->config_metrics);
	if (runtime->metrics != NULL)
		process_metrics_done(runtime->metrics);
	metrics_free(runtime->metrics);
	loop_timer_free(run->watchdog);
	loop_timer_free(run->expire);
	loop_timer_free(run->kept);
	loop_free(runtime->loop);
}

static int
serve(struct run *run)
{
	int64_t watchdog_ns = notify_watchdog_ns();
	int status;

	if (!first_load(run))
		return STATUS_FAULT;
	run->ready = true;
	on_expire(run);
	loop_timer_start(run->expire, EXPIRE_EVERY_NS, EXPIRE_EVERY_NS);
	loop_timer_start(run->kept, KEPT_NS, 0);
	if (watchdog_ns > 0)
		loop_timer_start(run->watchdog, watchdog_ns, watchdog_ns);
	notify_ready("Running");
	log_info(NULL, "longship is running", "version", LONGSHIP_VERSION, NULL);
	status = loop_run(run->runtime.loop);
	if (status < 0) {
		log_error(NULL, "the event loop failed", "err", strerror(-status), NULL);
		status = STATUS_SYSTEM;
	}
	drain(run);
	log_info(NULL, "longship has stopped", NULL);
	return status;
}

int
cmd_run(int argc, char **argv)
{
	struct run run = {0};
	int status;

	if (!options_parse(OPTIONS_RUN, argc, argv, &run.options, &status))
		return status;
	run.runtime.storage_path = run.options.storage_path;
	run.runtime.sync_requests = run.options.sync_requests;
	run.runtime.drain_timeout_ns = run.options.drain_timeout_ns;
	run.runtime.memory_budget_bytes = run.options.memory_budget_bytes;
	log_info(NULL, "longship is starting", "version", LONGSHIP_VERSION, NULL);
	status = set_up(&run);
	if (status == 0)
		status = serve(&run);
	tear_down(&run);
	return status;
}
