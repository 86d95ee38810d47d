/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/base/mem.h"
#include "longship/codec/loki_push.h"
#include "longship/codec/snappy.h"
#include "longship/flow/refusal.h"
#include "longship/flow/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two streams of four entries each, an hour apart, the last one long. */
static struct request_view *
view(void)
{
	static const struct push_label pair = {{"trace", 5}, {"0123456789", 10}};
	static char entries[4096], body[8192];
	static struct request_run run = {NULL, 0, 8, 1, false};
	size_t n = 0;
	struct request *r;
	struct request_view *v;
	char *packed = mem_alloc(snappy_block_bytes_max(sizeof(body)));

	for (int stream = 0; stream < 2; stream++) {
		size_t bytes = 0;

		for (int i = 0; i < 4; i++)
			bytes += loki_push_entry(entries + bytes, INT64_C(1767225600000000000) + i * INT64_C(3600000000000),
				i < 3 ? STR("a line") : STR("a line that is somewhat longer than the others"), &pair, i == 2);
		n += loki_push_stream_header(body + n, stream == 0 ? STR("{app=\"a\"}") : STR("{app=\"b\", e=\"\"}"), bytes);
		memcpy(body + n, entries, bytes);
		n += bytes;
	}
	n = snappy_block_compress(packed, (struct str){body, n});
	r = request_new(packed, n, NULL, 0, NULL, 0);
	r->entries = 8;
	r->runs = &run;
	r->n_runs = 1;
	v = request_open(r);
	r->runs = NULL;
	r->n_runs = 0;
	request_free(r);
	return v;
}

/* Two bytes of status, one of choices, then the body. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_result r = {0};
	struct refusal refusal;
	struct request_view *v;
	struct reply reply;
	uint64_t counted = 0;

	if (size < 3)
		return 0;
	r.status = (data[0] << 8 | data[1]) % 1000;
	r.sent = (data[2] & 1) != 0;
	r.body = (struct str){(const char *)data + 3, size - 3};
	reply = reply_classify(&r, (data[2] & 2) != 0);
	assert((reply.kind == REPLY_STORED || reply.kind == REPLY_RETRY || reply.kind == REPLY_MISCONFIGURED) == (reply.reason == NULL));
	assert(reply.kind != REPLY_STORED || (r.status >= 200 && r.status < 300));
	v = view();
	refusal_find(&refusal, v, r.status, r.body, (data[2] & 4) != 0);
	for (size_t i = 0; i < v->n_entries; i++) {
		assert(!refusal.entries[i].counted || refusal.entries[i].reason != NULL);
		counted += refusal.entries[i].counted;
	}
	assert(counted == refusal.n_counted && refusal.n_again + refusal.n_perhaps + counted <= v->n_entries);
	refusal_done(&refusal);
	request_view_free(v);
	return 0;
}
