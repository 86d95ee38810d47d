/* SPDX-License-Identifier: Apache-2.0 */
#include "longship/codec/mmdb.h"

#include <arpa/inet.h>
#include <maxminddb.h>
#include <netinet/in.h>

/*
 * libmaxminddb finds the record and hands it over as a flat list in the order of its tree, which becomes a tree of JSON
 * values again. What a broken file makes of it is limited in depth and number.
 */

struct mmdb {
	MMDB_s file;
};

static void
close_file(void *ptr)
{
	MMDB_close(&((struct mmdb *)ptr)->file);
}

struct mmdb *
mmdb_open(struct arena *arena, const char *path, struct str *ret_error)
{
	struct mmdb *db = arena_make(arena, struct mmdb);
	int r = MMDB_open(path, MMDB_MODE_MMAP, &db->file);

	if (r != MMDB_SUCCESS) {
		*ret_error = arena_printf(arena, "%s: %s", path, r == MMDB_FILE_OPEN_ERROR ? "no such file or directory, or it cannot be read"
			: MMDB_strerror(r));
		return NULL;
	}
	arena_defer(arena, close_file, db);
	return db;
}

struct reader {
	struct arena *arena;
	const MMDB_entry_data_list_s *at;
	size_t left;
};

/* The next of the list; NULL when it ends, or there were too many. */
static const MMDB_entry_data_s *
next(struct reader *r)
{
	const MMDB_entry_data_s *data;

	if (r->at == NULL || r->left == 0)
		return NULL;
	data = &r->at->entry_data;
	r->at = r->at->next;
	r->left--;
	return data;
}

static struct str
text_of(struct reader *r, const MMDB_entry_data_s *data)
{
	return arena_str(r->arena, (struct str){data->utf8_string, data->data_size});
}

static bool
read_scalar(struct reader *r, const MMDB_entry_data_s *data, struct json *ret)
{
	*ret = (struct json){.kind = JSON_TREE_NULL};
	switch (data->type) {
	case MMDB_DATA_TYPE_UTF8_STRING:
		*ret = (struct json){.kind = JSON_TREE_STRING, .text = text_of(r, data)};
		return true;
	case MMDB_DATA_TYPE_DOUBLE:
		*ret = (struct json){.kind = JSON_TREE_FLOAT, .f = data->double_value};
		return true;
	case MMDB_DATA_TYPE_FLOAT:
		*ret = (struct json){.kind = JSON_TREE_FLOAT, .f = (double)data->float_value};
		return true;
	case MMDB_DATA_TYPE_UINT16:
		*ret = (struct json){.kind = JSON_TREE_INT, .i = data->uint16};
		return true;
	case MMDB_DATA_TYPE_UINT32:
		*ret = (struct json){.kind = JSON_TREE_INT, .i = data->uint32};
		return true;
	case MMDB_DATA_TYPE_INT32:
		*ret = (struct json){.kind = JSON_TREE_INT, .i = data->int32};
		return true;
	case MMDB_DATA_TYPE_UINT64:
		if (data->uint64 <= INT64_MAX)
			*ret = (struct json){.kind = JSON_TREE_INT, .i = (int64_t)data->uint64};
		return true;
	case MMDB_DATA_TYPE_BOOLEAN:
		*ret = (struct json){.kind = JSON_TREE_BOOL, .boolean = data->boolean};
		return true;
	default:
		return data->type != MMDB_DATA_TYPE_MAP && data->type != MMDB_DATA_TYPE_ARRAY;
	}
}

static bool read_value(struct reader *, unsigned depth, struct json *ret);

static bool
read_map(struct reader *r, size_t n, unsigned depth, struct json *ret)
{
	struct json_field *fields;

	if (n > r->left)
		return false;
	fields = arena_array(r->arena, struct json_field, n + 1);
	for (size_t i = 0; i < n; i++) {
		const MMDB_entry_data_s *key = next(r);

		if (key == NULL || key->type != MMDB_DATA_TYPE_UTF8_STRING)
			return false;
		fields[i].name = text_of(r, key);
		if (!read_value(r, depth, &fields[i].value))
			return false;
	}
	*ret = (struct json){.kind = JSON_TREE_OBJECT, .object = {fields, n}};
	return true;
}

static bool
read_array(struct reader *r, size_t n, unsigned depth, struct json *ret)
{
	struct json *items;

	if (n > r->left)
		return false;
	items = arena_array(r->arena, struct json, n + 1);
	for (size_t i = 0; i < n; i++) {
		if (!read_value(r, depth, &items[i]))
			return false;
	}
	*ret = (struct json){.kind = JSON_TREE_ARRAY, .array = {items, n}};
	return true;
}

static bool
read_value(struct reader *r, unsigned depth, struct json *ret)
{
	const MMDB_entry_data_s *data = next(r);

	if (data == NULL || depth == MMDB_DEPTH_MAX)
		return false;
	if (data->type == MMDB_DATA_TYPE_MAP)
		return read_map(r, data->data_size, depth + 1, ret);
	if (data->type == MMDB_DATA_TYPE_ARRAY)
		return read_array(r, data->data_size, depth + 1, ret);
	return read_scalar(r, data, ret);
}

/* An IPv4 address within an IPv6 one is looked up as what it is, as Go does. */
static bool
parse_address(struct str text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct in6_addr address;
	char z[INET6_ADDRSTRLEN + 1];

	if (text.len == 0 || text.len >= sizeof(z) || memchr(text.s, '\0', text.len) != NULL)
		return false;
	memcpy(z, text.s, text.len);
	z[text.len] = '\0';
	*ret = (struct sockaddr_storage){.ss_family = AF_INET};
	if (inet_pton(AF_INET, z, &v4->sin_addr) == 1)
		return true;
	if (inet_pton(AF_INET6, z, &address) != 1)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&address)) {
		memcpy(&v4->sin_addr, address.s6_addr + 12, 4);
	} else {
		v6->sin6_family = AF_INET6;
		v6->sin6_addr = address;
	}
	return true;
}

const struct json *
mmdb_lookup(const struct mmdb *db, struct str text, struct arena *arena)
{
	struct sockaddr_storage address;
	MMDB_entry_data_list_s *list = NULL;
	MMDB_lookup_result_s found;
	struct json *record = NULL;
	int error = MMDB_SUCCESS;

	if (!parse_address(text, &address))
		return NULL;
	found = MMDB_lookup_sockaddr(&db->file, (const struct sockaddr *)&address, &error);
	if (error == MMDB_SUCCESS && found.found_entry && MMDB_get_entry_data_list(&found.entry, &list) == MMDB_SUCCESS) {
		struct reader reader = {.arena = arena, .at = list, .left = MMDB_VALUES_MAX};

		record = arena_make(arena, struct json);
		if (!read_value(&reader, 0, record))
			record = NULL;
	}
	MMDB_free_entry_data_list(list);
	return record;
}
