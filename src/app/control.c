/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/flow/runtime.h"
#include "longship/os/loop.h"

#include "control_answer.h"

/*
 * A connection is a request that grows until its newline, then a reply that shrinks. Who is slower than
 * PATIENCE_NS is let go; more than CONNECTIONS_MAX wait in the kernel's queue. The path of a socket may have 107 bytes,
 * a storage path more: both sides go through /proc/self/fd of the opened directory.
 */

#define CONNECTIONS_MAX 4
#define PATIENCE_NS	(30 * NS_PER_S)
#define REST_NS		NS_PER_S
#define ANSWER_MS	120000 /* the client's: lanes may have to wait for a request that is on the wire */
#define READ_BYTES	(64u << 10)

struct connection {
	struct control *control;
	int fd;
	struct loop_watch *watch;
	struct loop_timer *patience;
	struct buf request, reply;
	size_t sent;
};

struct control {
	struct runtime *runtime;
	struct graph *graph;
	int dir_fd, fd;
	struct loop_watch *watch;
	struct loop_timer *rest; /* after a connection could not be taken for want of descriptors */
	struct connection *connections[CONNECTIONS_MAX];
	size_t n_connections;
};

static struct sockaddr_un
address_in(int dir_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control.sock", dir_fd);
	return address;
}

static void
end_connection(struct connection *c)
{
	struct control *control = c->control;

	for (size_t i = 0; i < control->n_connections; i++) {
		if (control->connections[i] == c) {
			control->connections[i] = control->connections[--control->n_connections];
			break;
		}
	}
	(void)loop_watch_set(control->watch, EPOLLIN);
	loop_watch_free(c->watch);
	loop_timer_free(c->patience);
	(void)close(c->fd);
	buf_done(&c->request);
	buf_done(&c->reply);
	mem_free(c);
}

static void
on_impatience(void *ptr)
{
	end_connection(ptr);
}

static void
send_some(struct connection *c)
{
	while (c->sent < c->reply.len) {
		ssize_t n = send(c->fd, c->reply.data + c->sent, c->reply.len - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_timer_start(c->patience, PATIENCE_NS, 0);
			return;
		}
		if (n < 0)
			break;
		c->sent += (size_t)n;
	}
	end_connection(c);
}

/* True: the request is whole, or will never be. */
static bool
receive_some(struct connection *c)
{
	for (;;) {
		ssize_t n;

		if (!buf_reserve(&c->request, READ_BYTES)) {
			buf_z(&c->reply, "{\"error\":\"the request is too large\"}\n");
			return true;
		}
		n = recv(c->fd, c->request.data + c->request.len, READ_BYTES, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0)
			return true;
		c->request.len += (size_t)n;
		if (memchr(c->request.data + c->request.len - (size_t)n, '\n', (size_t)n) != NULL)
			return true;
	}
}

static void
on_connection(void *ptr, int fd, uint32_t events)
{
	struct connection *c = ptr;
	struct str line, rest;

	(void)fd, (void)events;
	if (c->reply.len == 0) {
		if (!receive_some(c))
			return;
		if (c->reply.len == 0 && str_cut(buf_view(&c->request), '\n', &line, &rest))
			control_answer(c->control->runtime, c->control->graph, line, &c->reply);
		if (c->reply.overflow) {
			buf_clear(&c->reply);
			buf_z(&c->reply, "{\"error\":\"the answer is too large\"}\n");
		}
		if (c->reply.len == 0 || loop_watch_set(c->watch, EPOLLOUT) < 0) {
			end_connection(c);
			return;
		}
	}
	send_some(c);
}

static void
on_rest(void *ptr)
{
	struct control *control = ptr;

	(void)loop_watch_set(control->watch, EPOLLIN);
}

static void
on_accept(void *ptr, int fd, uint32_t events)
{
	struct control *control = ptr;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *c;

	(void)events;
	if (client < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			(void)loop_watch_set(control->watch, 0);
			loop_timer_start(control->rest, REST_NS, 0);
		}
		return;
	}
	c = mem_new(struct connection);
	c->control = control;
	c->fd = client;
	buf_init(&c->request, CONTROL_REQUEST_BYTES_MAX + READ_BYTES);
	buf_init(&c->reply, CONTROL_REPLY_BYTES_MAX);
	control->connections[control->n_connections++] = c;
	if (loop_timer_new(control->runtime->loop, on_impatience, c, &c->patience) < 0 ||
		loop_watch_new(control->runtime->loop, client, EPOLLIN, on_connection, c, &c->watch) < 0) {
		end_connection(c);
		return;
	}
	loop_timer_start(c->patience, PATIENCE_NS, 0);
	if (control->n_connections == CONNECTIONS_MAX)
		(void)loop_watch_set(control->watch, 0);
}

/* What is there is dead: the directory is locked by this process. */
static int
listen_in(struct control *control)
{
	struct sockaddr_un address = address_in(control->dir_fd);

	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (control->fd < 0)
		return -errno;
	if (unlinkat(control->dir_fd, "control.sock", 0) < 0 && errno != ENOENT)
		return -errno;
	/* The mode of the socket is what bind gives its name: there is no moment with another one. */
	if (fchmod(control->fd, 0600) < 0 || bind(control->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		fchmodat(control->dir_fd, "control.sock", 0600, 0) < 0 || listen(control->fd, 16) < 0)
		return -errno;
	return loop_watch_new(control->runtime->loop, control->fd, EPOLLIN, on_accept, control, &control->watch);
}

int
control_new(struct runtime *runtime, struct control **ret)
{
	struct control *control = mem_new(struct control);
	int r;

	control->runtime = runtime;
	control->fd = -1;
	control->dir_fd = open(runtime->storage_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = control->dir_fd < 0 ? -errno : loop_timer_new(runtime->loop, on_rest, control, &control->rest);
	if (r >= 0)
		r = listen_in(control);
	if (r < 0) {
		control_free(control);
		return r;
	}
	*ret = control;
	return 0;
}

void
control_free(struct control *control)
{
	if (control == NULL)
		return;
	while (control->n_connections > 0)
		end_connection(control->connections[0]);
	if (control->watch != NULL)
		(void)unlinkat(control->dir_fd, "control.sock", 0);
	loop_watch_free(control->watch);
	loop_timer_free(control->rest);
	if (control->fd >= 0)
		(void)close(control->fd);
	if (control->dir_fd >= 0)
		(void)close(control->dir_fd);
	mem_free(control);
}

void
control_set_graph(struct control *control, struct graph *graph)
{
	control->graph = graph;
}

static int
send_request(int fd, struct str request)
{
	while (request.len > 0) {
		ssize_t n = send(fd, request.s, request.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		request = str_from_offset(request, (size_t)n);
	}
	return 0;
}

static int
read_reply(int fd, struct buf *reply)
{
	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&ready, 1, ANSWER_MS) == 0)
			return -ETIMEDOUT;
		if (!buf_reserve(reply, READ_BYTES))
			return -EFBIG;
		n = recv(fd, reply->data + reply->len, READ_BYTES, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return reply->len > 0 ? 0 : -ECONNRESET;
		reply->len += (size_t)n;
	}
}

int
control_ask(const char *storage_path, struct str request, struct buf *ret_reply)
{
	const struct timeval patience = {.tv_sec = ANSWER_MS / 1000};
	int dir_fd = open(storage_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un address;
	int fd, r = 0;

	if (dir_fd < 0)
		return -errno;
	address = address_in(dir_fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
		connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (r == 0)
		r = send_request(fd, request);
	if (r == 0)
		r = send_request(fd, STR("\n"));
	if (r == 0)
		r = read_reply(fd, ret_reply);
	if (fd >= 0)
		(void)close(fd);
	(void)close(dir_fd);
	return r;
}
