/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A very cheap HTTP sink, so that the shipper alone is measured: answers 204 to every request, throws bodies away.
 *
 *	sink [--decode] [--delay-ms=N] PORT_FILE     writes its port to PORT_FILE; SIGTERM or SIGINT ends it, printing the counts
 *
 * --decode unpacks snappy and protobuf and counts entries and bytes of lines. SIGUSR1 prints the counts at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/clock.h"
#include "longship/codec/push_decode.h"
#include "longship/codec/snappy.h"

#define HEAD_BYTES_MAX 16384
#define READ_BYTES (1u << 20)
#define BODY_BYTES_MAX (256u << 20)

struct client {
	int fd;
	char head[HEAD_BYTES_MAX];
	size_t head_len;
	uint64_t body_left; /* of the body that is read */
	bool in_body;
	struct buf body; /* --decode */
};

static struct {
	uint64_t requests, bytes, entries, line_bytes, errors;
} counts;
static bool decode;
static long delay_ms;
static char scratch[READ_BYTES];

static bool
on_stream(void *ctx, const struct push_label *labels, size_t n, const char *bad)
{
	(void)ctx;
	(void)labels;
	(void)n;
	counts.errors += bad != NULL;
	return bad == NULL;
}

static bool
on_entry(void *ctx, int64_t ts_ns, struct str line, const struct push_label *metadata, size_t n)
{
	(void)ctx;
	(void)ts_ns;
	(void)metadata;
	(void)n;
	counts.entries++;
	counts.line_bytes += line.len;
	return true;
}

static void
count_body(struct str packed)
{
	const struct push_sink sink = {on_stream, on_entry, NULL};
	struct arena *arena = arena_new(0);
	const char *error;
	struct buf plain;

	buf_init(&plain, BODY_BYTES_MAX);
	if (snappy_block_uncompress(&plain, packed) < 0 || !push_decode_protobuf(buf_view(&plain), arena, &sink, NULL, &error))
		counts.errors++;
	buf_done(&plain);
	arena_free(arena);
}

static bool
finish(struct client *c)
{
	static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";

	if (decode)
		count_body(buf_view(&c->body));
	buf_clear(&c->body);
	c->in_body = false;
	counts.requests++;
	if (delay_ms > 0)
		(void)usleep((useconds_t)delay_ms * 1000);
	return send(c->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(answer) - 1;
}

/* The head is complete up to `end`; what follows it already is part of the body. */
static bool
begin_body(struct client *c, const char *end)
{
	const char *length;
	size_t extra = c->head_len - (size_t)(end - c->head);

	c->head[c->head_len] = '\0';
	length = strcasestr(c->head, "\r\nContent-Length:");
	c->body_left = length != NULL && length < end ? strtoull(length + 17, NULL, 10) : 0;
	if (extra > c->body_left)
		return false; /* no pipelining */
	if (decode)
		(void)buf_append(&c->body, end, extra);
	counts.bytes += extra;
	c->body_left -= extra;
	c->head_len = 0;
	c->in_body = true;
	return c->body_left > 0 || finish(c);
}

/* False: the connection has ended. */
static bool
serve(struct client *c)
{
	ssize_t n;

	if (!c->in_body) {
		char *end;

		n = recv(c->fd, c->head + c->head_len, sizeof(c->head) - 1 - c->head_len, 0);
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		c->head_len += (size_t)n;
		end = memmem(c->head, c->head_len, "\r\n\r\n", 4);
		return end != NULL ? begin_body(c, end + 4) : c->head_len < sizeof(c->head) - 1;
	}
	n = recv(c->fd, scratch, c->body_left < sizeof(scratch) ? (size_t)c->body_left : sizeof(scratch), 0);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	if (decode)
		(void)buf_append(&c->body, scratch, (size_t)n);
	counts.bytes += (uint64_t)n;
	c->body_left -= (uint64_t)n;
	return c->body_left > 0 || finish(c);
}

static void
print_counts(void)
{
	(void)printf("requests=%llu bytes=%llu entries=%llu line_bytes=%llu errors=%llu\n", (unsigned long long)counts.requests,
		(unsigned long long)counts.bytes, (unsigned long long)counts.entries, (unsigned long long)counts.line_bytes,
		(unsigned long long)counts.errors);
	(void)fflush(stdout);
}

static int
listen_and_tell(const char *port_file)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char temporary[4096];
	FILE *out;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 64) < 0 ||
		getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return -1;
	(void)snprintf(temporary, sizeof(temporary), "%s.new", port_file);
	out = fopen(temporary, "we");
	if (out == NULL)
		return -1;
	(void)fprintf(out, "%u\n", ntohs(addr.sin_port));
	(void)fclose(out);
	return rename(temporary, port_file) < 0 ? -1 : fd;
}

static void
add(int epoll_fd, int fd, void *ptr)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = ptr};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		abort();
}

static void
accept_client(int epoll_fd, int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int on = 1;
	struct client *c;

	if (fd < 0)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		abort();
	c->fd = fd;
	buf_init(&c->body, BODY_BYTES_MAX);
	add(epoll_fd, fd, c);
}

static void
run(int listen_fd, int signal_fd)
{
	struct epoll_event events[64];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	add(epoll_fd, listen_fd, NULL);
	add(epoll_fd, signal_fd, &signal_fd);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			struct signalfd_siginfo got;

			if (c == NULL) {
				accept_client(epoll_fd, listen_fd);
			} else if (events[i].data.ptr == &signal_fd) {
				if (read(signal_fd, &got, sizeof(got)) == (ssize_t)sizeof(got))
					print_counts();
				if (got.ssi_signo != SIGUSR1)
					return;
			} else if (!serve(c)) {
				(void)close(c->fd);
				buf_done(&c->body);
				free(c);
			}
		}
	}
}

int
main(int argc, char **argv)
{
	sigset_t set;
	int listen_fd, i = 1;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--decode") == 0)
			decode = true;
		else if (strncmp(argv[i], "--delay-ms=", 11) == 0)
			delay_ms = atol(argv[i] + 11);
		else
			break;
	}
	if (i != argc - 1) {
		(void)fprintf(stderr, "usage: sink [--decode] [--delay-ms=N] PORT_FILE\n");
		return 2;
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	listen_fd = listen_and_tell(argv[i]);
	if (listen_fd < 0) {
		perror("sink");
		return 3;
	}
	run(listen_fd, signalfd(-1, &set, SFD_CLOEXEC));
	return 0;
}
