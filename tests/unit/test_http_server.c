/* SPDX-License-Identifier: Apache-2.0 */
/* One thread: a plain socket speaks as the client while the server's fd is dispatched in between. */
#include "longship/os/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "longship/base/clock.h"

#define PATIENCE_MS 5000

struct fixture {
	struct http_server *server;
	struct http_request *kept;
	struct buf taken;
	int gone, done, calls;
	unsigned done_status;
	char seen[256];
};

static void
hello(void *ctx, struct http_request *req)
{
	struct fixture *f = ctx;
	struct str q = http_request_query(req, "q");
	struct str h = http_request_header(req, "x-test");
	struct str body = http_request_body(req);
	const struct http_header headers[] = {{"X-Answer", "42"}};
	int n = snprintf(f->seen, sizeof(f->seen), "%s %s q=%.*s h=%.*s body=%.*s", http_request_method(req),
		http_request_path(req), STR_FMT(q), STR_FMT(h), (int)(body.len < 32 ? body.len : 32), body.s);

	f->calls++;
	assert_non_null(http_request_peer(req));
	http_respond(req, &(struct http_response){.status = 200, .body = {f->seen, (size_t)n}, .headers = headers, .n_headers = 1});
}

static void
keep(void *ctx, struct http_request *req)
{
	struct fixture *f = ctx;

	f->kept = req;
	http_request_take_body(req, &f->taken);
}

static void
forget(void *ctx, struct http_request *req)
{
	struct fixture *f = ctx;

	assert_ptr_equal(f->kept, req);
	f->kept = NULL;
	f->gone++;
}

static bool
is_ann(void *ctx, struct str user, struct str password)
{
	(void)ctx;
	return str_is(user, "ann") && str_is(password, "secret");
}

static bool
authorize(void *ctx, struct http_request *req)
{
	(void)ctx;
	return strcmp(http_request_path(req), "/private") != 0 || http_request_basic_auth(req, is_ann, NULL);
}

static void
done(void *ctx, const struct http_done *d)
{
	struct fixture *f = ctx;

	f->done++;
	f->done_status = d->status;
}

static void
start(struct fixture *f, struct http_server_options o)
{
	char error[HTTP_SERVER_ERROR_BYTES];

	o.authorize = authorize;
	o.done = done;
	o.ctx = f;
	if (http_server_new(&o, &f->server, error) != 0)
		fail_msg("%s", error);
	http_server_route(f->server, &(struct http_route){"GET", "/hello", hello, NULL, f, 0, 0, NULL});
	http_server_route(f->server, &(struct http_route){"GET", "/private", hello, NULL, f, 0, 0, NULL});
	http_server_route(f->server, &(struct http_route){"GET", "/api/", hello, NULL, f, 0, 0, NULL});
	http_server_route(f->server, &(struct http_route){"POST", "/echo", hello, NULL, f, 100000, 0, NULL});
	http_server_route(f->server, &(struct http_route){"POST", "/small", hello, NULL, f, 10, 400, "too much\n"});
	http_server_route(f->server, &(struct http_route){"POST", "/keep", keep, forget, f, 1000, 0, NULL});
}

static int
dial(const struct fixture *f)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(http_server_port(f->server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Lets the server work for at most wait_ms, until the client's socket is readable. */
static void
pump(struct fixture *f, int fd, int wait_ms)
{
	int64_t end = clock_mono_ns() + wait_ms * NS_PER_MS;

	while (clock_mono_ns() < end) {
		struct pollfd p[2] = {{.fd = http_server_fd(f->server), .events = POLLIN}, {.fd = fd, .events = POLLIN}};

		(void)poll(p, 2, 10);
		if (p[0].revents != 0)
			http_server_dispatch(f->server);
		if (fd >= 0 && p[1].revents != 0)
			return;
	}
}

static void
send_all(struct fixture *f, int fd, const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, s, len, MSG_NOSIGNAL);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			http_server_dispatch(f->server);
			continue;
		}
		s += n;
		len -= (size_t)n;
	}
}

static void
send_z(struct fixture *f, int fd, const char *z)
{
	send_all(f, fd, z, strlen(z));
}

static char reply[1 << 16];

/* Reads one answer (headers and Content-Length); returns its status, 0 when the connection ended. */
static unsigned
receive(struct fixture *f, int fd)
{
	size_t len = 0;
	unsigned status = 0;

	for (int64_t end = clock_mono_ns() + PATIENCE_MS * NS_PER_MS; clock_mono_ns() < end;) {
		const char *body, *length;
		ssize_t n;

		pump(f, fd, 100);
		n = recv(fd, reply + len, sizeof(reply) - 1 - len, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return 0;
		len += n > 0 ? (size_t)n : 0;
		reply[len] = '\0';
		body = strstr(reply, "\r\n\r\n");
		length = strcasestr(reply, "Content-Length: ");
		if (body == NULL || sscanf(reply, "HTTP/1.1 %u", &status) != 1)
			continue;
		if (length == NULL || strlen(body + 4) >= strtoul(length + 16, NULL, 10))
			return status;
	}
	fail_msg("no answer");
	return 0;
}

static unsigned
ask(struct fixture *f, int fd, const char *text)
{
	send_z(f, fd, text);
	return receive(f, fd);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)signal(SIGPIPE, SIG_IGN);
	start(f, (struct http_server_options){.address = "127.0.0.1", .bodies_bytes_max = 150000});
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	http_server_free(f->server);
	buf_done(&f->taken);
	free(f);
	return 0;
}

static void
test_http_server__routes_on_one_connection(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	assert_int_equal(ask(f, fd, "GET /hello?q=a%20b HTTP/1.1\r\nHost: x\r\nX-Test: t\r\n\r\n"), 200);
	assert_non_null(strstr(reply, "GET /hello q=a b h=t body="));
	assert_non_null(strstr(reply, "X-Answer: 42"));
	assert_int_equal(ask(f, fd, "GET /api/v0/x%2Fy HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	assert_non_null(strstr(reply, "/api/v0/x/y"));
	assert_int_equal(ask(f, fd, "GET /hello/more HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
	assert_int_equal(ask(f, fd, "DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
	assert_non_null(strstr(reply, "Allow: GET"));
	assert_int_equal(ask(f, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"), 200);
	assert_non_null(strstr(reply, "body=hello"));
	assert_int_equal(ask(f, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 200);
	assert_non_null(strstr(reply, "body=abcde"));
	assert_int_equal(f->done, 6);
	assert_int_equal(http_server_connections(f->server), 1);
	close(fd);
}

static void
test_http_server__head_has_no_body(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	send_z(f, fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	pump(f, fd, PATIENCE_MS);
	pump(f, -1, 50);
	reply[recv(fd, reply, sizeof(reply) - 1, 0)] = '\0';
	assert_non_null(strstr(reply, "200 OK"));
	assert_string_equal(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
	close(fd);
}

static void
test_http_server__large_bodies_are_refused(void **state)
{
	struct fixture *f = *state;
	char *big = malloc(200000);
	int fd = dial(f);

	memset(big, 'x', 200000);
	assert_int_equal(ask(f, fd, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world"), 400);
	assert_non_null(strstr(reply, "too much"));
	/* By length, chunked, and while waiting for "100 Continue". */
	send_z(f, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
	send_all(f, fd, big, 200000);
	assert_int_equal(receive(f, fd), 413);
	send_z(f, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n");
	send_all(f, fd, big, 200000);
	send_z(f, fd, "\r\n0\r\n\r\n");
	assert_int_equal(receive(f, fd), 413);
	assert_int_equal(ask(f, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n"), 413);
	assert_int_equal(f->calls, 0);
	close(fd);
	free(big);
}

static void
test_http_server__basic_auth(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	assert_int_equal(ask(f, fd, "GET /private HTTP/1.1\r\nHost: x\r\n\r\n"), 401);
	assert_non_null(strstr(reply, "WWW-Authenticate: Basic"));
	assert_int_equal(ask(f, fd, "GET /private HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YW5uOm5v\r\n\r\n"), 401);
	assert_int_equal(ask(f, fd, "GET /private HTTP/1.1\r\nHost: x\r\nAuthorization: Basic !!\r\n\r\n"), 401);
	assert_int_equal(ask(f, fd, "GET /private HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n\r\n"), 200);
	close(fd);
}

static void
test_http_server__answers_later(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	struct pollfd p = {.fd = http_server_fd(f->server), .events = POLLIN};

	send_z(f, fd, "POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	pump(f, fd, 100);
	assert_non_null(f->kept);
	assert_true(str_is(buf_view(&f->taken), "hello"));
	assert_int_equal(http_server_suspended(f->server), 1);
	assert_int_equal(poll(&p, 1, 0), 0);
	http_respond_text(f->kept, 204, "");
	f->kept = NULL;
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(receive(f, fd), 204);
	assert_int_equal(http_server_suspended(f->server), 0);
	assert_int_equal(f->done_status, 204);
	/* The connection goes on. */
	assert_int_equal(ask(f, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	assert_int_equal(f->gone, 0);
	close(fd);
}

static void
test_http_server__a_client_that_goes_is_noticed(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	send_z(f, fd, "POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	pump(f, fd, 100);
	assert_non_null(f->kept);
	close(fd);
	pump(f, -1, 100);
	assert_int_equal(f->gone, 1);
	assert_null(f->kept);
	assert_int_equal(http_server_suspended(f->server), 0);
	assert_int_equal(http_server_connections(f->server), 0);
}

static void
test_http_server__freeing_ends_suspended_requests(void **state)
{
	struct fixture *f = *state;
	int a = dial(f), b = dial(f);

	send_z(f, a, "POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	send_z(f, b, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhal");
	pump(f, a, 100);
	http_server_stop_listening(f->server);
	http_server_free(f->server);
	f->server = NULL;
	assert_int_equal(f->gone, 1);
	close(a);
	close(b);
}

static void
test_http_server__bodies_are_bounded_together(void **state)
{
	struct fixture *f = *state;
	char *big = calloc(1, 90000);
	int a = dial(f), b = dial(f);

	send_z(f, a, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n");
	send_all(f, a, big, 90000);
	pump(f, a, 100);
	send_z(f, b, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n");
	send_all(f, b, big, 90000);
	assert_int_equal(receive(f, b), 503);
	assert_non_null(strstr(reply, "Retry-After: 1"));
	send_all(f, a, big, 9999);
	assert_int_equal(receive(f, a), 200);
	assert_int_equal(ask(f, b, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"), 200);
	close(a);
	close(b);
	free(big);
}

static void
test_http_server__idle_connections_end(void **state)
{
	struct fixture f = {0};
	int fd;

	(void)state;
	start(&f, (struct http_server_options){.address = "", .idle_timeout_ns = NS_PER_S, .connections_max = 2});
	fd = dial(&f);
	assert_int_equal(ask(&f, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	pump(&f, fd, 4000);
	assert_int_equal(recv(fd, reply, 10, 0), 0);
	close(fd);
	http_server_free(f.server);
}

static void
test_http_server__huge_headers_are_refused(void **state)
{
	struct fixture *f = *state;
	static char text[60000];
	size_t n = (size_t)snprintf(text, sizeof(text), "GET /hello HTTP/1.1\r\nHost: x\r\nX-Big: ");
	unsigned status;
	int fd = dial(f);

	memset(text + n, 'y', sizeof(text) - n);
	send_all(f, fd, text, sizeof(text));
	status = receive(f, fd);
	assert_true(status == 431 || status == 0);
	close(fd);
}

static void
test_http_server__a_taken_port_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct http_server *second;
	char error[HTTP_SERVER_ERROR_BYTES];

	assert_int_equal(http_server_new(&(struct http_server_options){.address = "127.0.0.1", .port = http_server_port(f->server)},
		&second, error), -EADDRINUSE);
	assert_non_null(strstr(error, "cannot listen on 127.0.0.1:"));
	assert_true(http_server_new(&(struct http_server_options){.address = "no such host"}, &second, error) < 0);
	assert_true(http_server_new(&(struct http_server_options){.address = "127.0.0.1", .tls_cert_pem = STR("x"),
		.tls_key_pem = STR("y")}, &second, error) < 0);
}

static struct str
read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = malloc(10000);
	size_t n;

	assert_non_null(file);
	n = fread(text, 1, 10000, file);
	(void)fclose(file);
	return (struct str){text, n};
}

/* Runs a command while the server works; its exit status. */
static int
run_beside(struct fixture *f, const char *command)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(execl("/bin/sh", "sh", "-c", command, (char *)NULL));
	for (int i = 0; i < 1000 && waitpid(pid, &status, WNOHANG) == 0; i++)
		pump(f, -1, 10);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_http_server__tls(void **state)
{
	char dir[] = "/tmp/longship-tls-XXXXXX";
	char command[512];
	struct str cert, key;
	struct fixture f = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(system("openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=localhost "
				"-addext subjectAltName=IP:127.0.0.1 2>/dev/null"), 0);
	cert = read_file("cert");
	key = read_file("key");
	start(&f, (struct http_server_options){.address = "127.0.0.1", .tls_cert_pem = cert, .tls_key_pem = key});
	(void)snprintf(command, sizeof(command), "curl -sf --cacert cert https://127.0.0.1:%u/hello >out", http_server_port(f.server));
	assert_int_equal(run_beside(&f, command), 0);
	(void)snprintf(command, sizeof(command), "curl -sf http://127.0.0.1:%u/hello >out", http_server_port(f.server));
	assert_int_not_equal(run_beside(&f, command), 0);
	http_server_free(f.server);
	/* With a client CA: 401 without a certificate, 200 with one. */
	start(&f, (struct http_server_options){.address = "127.0.0.1", .tls_cert_pem = cert, .tls_key_pem = key,
		.tls_client_ca_pem = cert});
	(void)snprintf(command, sizeof(command), "curl -sf --cacert cert https://127.0.0.1:%u/hello >out", http_server_port(f.server));
	assert_int_not_equal(run_beside(&f, command), 0);
	(void)snprintf(command, sizeof(command), "curl -sf --cacert cert --cert cert --key key https://127.0.0.1:%u/hello >out",
		http_server_port(f.server));
	assert_int_equal(run_beside(&f, command), 0);
	http_server_free(f.server);
	assert_int_equal(system("rm cert key out"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
	free((void *)(uintptr_t)cert.s);
	free((void *)(uintptr_t)key.s);
}

#define WITH_SERVER(name) cmocka_unit_test_setup_teardown(test_http_server__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(routes_on_one_connection),
		WITH_SERVER(head_has_no_body),
		WITH_SERVER(large_bodies_are_refused),
		WITH_SERVER(basic_auth),
		WITH_SERVER(answers_later),
		WITH_SERVER(a_client_that_goes_is_noticed),
		WITH_SERVER(freeing_ends_suspended_requests),
		WITH_SERVER(bodies_are_bounded_together),
		WITH_SERVER(huge_headers_are_refused),
		WITH_SERVER(a_taken_port_is_an_error),
		cmocka_unit_test(test_http_server__idle_connections_end),
		cmocka_unit_test(test_http_server__tls),
	};

	return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
