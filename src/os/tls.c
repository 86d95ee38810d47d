/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/os/tls.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "longship/base/buf.h"
#include "longship/base/clock.h"
#include "longship/base/mem.h"
#include "longship/os/file.h"

#define PEM_BYTES_MAX (4u << 20) /* a bundle of all the world's CAs has 250 KiB */
#define LOOK_INTERVAL_NS NS_PER_S
#define PATH_BYTES 32

struct part {
	char *pem, *file;             /* one of them, or none */
	struct file_identity seen;    /* of file, when it was read last */
	int fd;                       /* a memory file with what is used; -1: none */
	char path[PATH_BYTES];
};

struct tls_files {
	struct part parts[TLS_PARTS];
	bool any, loaded;
	int64_t looked_ns;
	char error[512];
};

struct tls_files *
tls_files_new(const struct tls_files_options *o)
{
	const char *const pems[] = {o->ca_pem, o->cert_pem, o->key_pem}, *const files[] = {o->ca_file, o->cert_file, o->key_file};
	struct tls_files *t = mem_new(struct tls_files);

	for (int i = 0; i < TLS_PARTS; i++) {
		t->parts[i].pem = mem_strdup(pems[i]);
		t->parts[i].file = mem_strdup(files[i]);
		t->parts[i].fd = -1;
		t->any = t->any || pems[i] != NULL || files[i] != NULL;
	}
	return t;
}

void
tls_files_free(struct tls_files *t)
{
	if (t == NULL)
		return;
	for (int i = 0; i < TLS_PARTS; i++) {
		mem_free(t->parts[i].pem);
		mem_free(t->parts[i].file);
		if (t->parts[i].fd >= 0)
			(void)close(t->parts[i].fd);
	}
	mem_free(t);
}

static bool
same(const struct file_identity *a, const struct file_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns;
}

/* Whether a file is another one than was read last; notes what it is now. */
static bool
look(struct tls_files *t)
{
	bool changed = false;

	for (int i = 0; i < TLS_PARTS; i++) {
		struct file_identity now = {0};

		if (t->parts[i].file == NULL)
			continue;
		(void)file_identify_path(t->parts[i].file, &now); /* one that is not there is another one, too */
		changed = changed || !same(&now, &t->parts[i].seen);
		t->parts[i].seen = now;
	}
	return changed;
}

static bool
read_parts(struct tls_files *t, struct buf texts[TLS_PARTS])
{
	for (int i = 0; i < TLS_PARTS; i++) {
		int r = 0;

		if (t->parts[i].pem != NULL)
			(void)buf_z(&texts[i], t->parts[i].pem);
		else if (t->parts[i].file != NULL)
			r = file_read(t->parts[i].file, &texts[i]);
		if (r < 0) {
			(void)snprintf(t->error, sizeof(t->error), "cannot read %s: %s", t->parts[i].file, strerror(-r));
			return false;
		}
	}
	return true;
}

static gnutls_datum_t
datum(const struct buf *b)
{
	return (gnutls_datum_t){.data = (unsigned char *)b->data, .size = (unsigned)b->len};
}

/* Certificates that can be read, and a key that fits. */
static bool
parts_fit(struct tls_files *t, const struct buf texts[TLS_PARTS])
{
	gnutls_datum_t ca = datum(&texts[TLS_CA]), cert = datum(&texts[TLS_CERT]), key = datum(&texts[TLS_KEY]);
	const struct part *p = t->parts;
	gnutls_certificate_credentials_t credentials;
	int r = 1;

	if (gnutls_certificate_allocate_credentials(&credentials) < 0)
		return true; /* curl will say it */
	if (ca.size > 0 && gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM) <= 0) {
		(void)snprintf(t->error, sizeof(t->error), "%s holds no CA certificate", p[TLS_CA].file != NULL ? p[TLS_CA].file : "ca_pem");
		r = -1;
	} else if (cert.size > 0) {
		r = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
		if (r < 0)
			(void)snprintf(t->error, sizeof(t->error), "client certificate %s and key %s do not make a pair: %s",
				p[TLS_CERT].file != NULL ? p[TLS_CERT].file : "cert_pem", p[TLS_KEY].file != NULL ? p[TLS_KEY].file : "key_pem",
				gnutls_strerror(r));
	}
	gnutls_certificate_free_credentials(credentials);
	return r >= 0;
}

static bool
take(struct part *p, const struct buf *text)
{
	int fd;

	if (p->pem == NULL && p->file == NULL)
		return true;
	fd = memfd_create("longship-pem", MFD_CLOEXEC);
	if (fd < 0)
		return false;
	if (file_write(fd, text->data, text->len) < 0) {
		(void)close(fd);
		return false;
	}
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = fd;
	(void)snprintf(p->path, sizeof(p->path), "/proc/self/fd/%d", fd);
	return true;
}

static bool
load(struct tls_files *t)
{
	struct buf texts[TLS_PARTS];
	bool whole;

	t->error[0] = '\0';
	for (int i = 0; i < TLS_PARTS; i++)
		buf_init(&texts[i], PEM_BYTES_MAX);
	whole = read_parts(t, texts) && parts_fit(t, texts);
	for (int i = 0; i < TLS_PARTS; i++) {
		if (whole && !take(&t->parts[i], &texts[i])) {
			(void)snprintf(t->error, sizeof(t->error), "cannot make a memory file: %s", strerror(errno));
			whole = false;
		}
		if (texts[i].data != NULL)
			explicit_bzero(texts[i].data, texts[i].cap);
		buf_done(&texts[i]);
	}
	return whole;
}

bool
tls_files_refresh(struct tls_files *t)
{
	int64_t now = clock_mono_ns();

	if (!t->any || (t->looked_ns != 0 && now - t->looked_ns < LOOK_INTERVAL_NS))
		return false;
	t->looked_ns = now;
	/* What could not be used is looked at again until it can: the second half of a pair may have the time of the first. */
	if (!look(t) && t->loaded && t->error[0] == '\0')
		return false;
	if (!load(t))
		return false;
	t->loaded = true;
	return true;
}

const char *
tls_files_path(const struct tls_files *t, enum tls_part part)
{
	const struct part *p = &t->parts[part];

	return p->fd >= 0 ? p->path : p->file;
}

const char *
tls_files_error(const struct tls_files *t)
{
	return t->error[0] != '\0' ? t->error : NULL;
}

bool
tls_peer_shown(void *session)
{
	return gnutls_certificate_get_peers(session, NULL) != NULL;
}

bool
tls_peer_verified(void *session)
{
	unsigned status = 0;

	return gnutls_certificate_verify_peers2(session, &status) == 0 && status == 0;
}
