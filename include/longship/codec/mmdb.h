/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * MaxMind databases: the record of an IP address. A database is mapped from its file: replace the file by a rename, never
 * in place. An open one is immutable; any thread.
 *
 *	struct mmdb *db = mmdb_open(arena, "/var/lib/GeoLite2-City.mmdb", &error);
 *	const struct json *record = mmdb_lookup(db, STR("192.0.2.1"), batch_arena);
 */
#include "longship/base/arena.h"
#include "longship/base/str.h"
#include "longship/codec/json_tree.h"

#define MMDB_DEPTH_MAX 64      /* nesting of a record */
#define MMDB_VALUES_MAX 100000 /* values of one record: a broken file may point in circles */

struct mmdb;

/* Lives in the arena, which closes it. NULL with a message. */
struct mmdb *mmdb_open(struct arena *, const char *path, struct str *ret_error);
/* The record of an address in its text form; NULL when the text is none, there is no record, or it cannot be read. Integers over
 * int64 and what JSON does not know (bytes) are null. */
const struct json *mmdb_lookup(const struct mmdb *, struct str address, struct arena *);
