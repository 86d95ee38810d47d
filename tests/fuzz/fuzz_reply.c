/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/base/check.h"
#include "longship/flow/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two bytes of status, one of entries, then the body. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_result r = {0};
	uint64_t entries;
	struct reply reply;

	if (size < 3)
		return 0;
	r.status = (data[0] << 8 | data[1]) % 1000;
	r.sent = (data[2] & 1) != 0;
	entries = data[2];
	r.body = (struct str){(const char *)data + 3, size - 3};
	reply = reply_classify(&r, entries, (data[2] & 2) != 0);
	assert(reply.kind != REPLY_PARTIAL || reply.refused <= entries);
	assert((reply.kind != REPLY_PARTIAL && reply.kind != REPLY_REFUSED) || reply.reason != NULL);
	assert(reply.kind != REPLY_STORED || (r.status >= 200 && r.status < 300));
	return 0;
}
