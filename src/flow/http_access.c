/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/flow/http_access.h"

bool
http_access_guards(const struct http_access *access, struct str path)
{
	bool matches = false;

	if (!access->basic)
		return false;
	if (!access->filter)
		return true;
	for (size_t i = 0; i < access->paths.n; i++)
		matches = matches || str_starts(path, access->paths.items[i]);
	return matches == access->authenticate_matching_paths;
}

static bool
same(struct str a, struct str b)
{
	unsigned char differs = a.len != b.len;

	for (size_t i = 0; i < a.len && i < b.len; i++)
		differs = (unsigned char)(differs | ((unsigned char)a.s[i] ^ (unsigned char)b.s[i]));
	return differs == 0;
}

bool
http_access_admits(const struct http_access *access, struct str username, struct str password)
{
	bool user = same(access->username, username);

	return same(access->password, password) && user;
}
