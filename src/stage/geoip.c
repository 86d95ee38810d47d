/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_priv.h"
#include "longship/base/buf.h"
#include "longship/codec/json.h"
#include "longship/codec/mmdb.h"

/*
 * stage.geoip: what a MaxMind database knows of an address becomes extracted values. The database is opened
 * with the pipeline and closed with it. Addresses of a batch repeat, so the last ones are remembered.
 */

#define RECORD_BYTES_MAX (1u << 20) /* of a record as JSON, for custom_lookups */

struct geoip_args {
	struct str db, source, db_type;
	struct str_map custom_lookups;
};

static const struct arg_spec args[] = {
	{.name = "db",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct geoip_args, db),
		.doc = "Path of the database, an .mmdb file."},
	{.name = "source",
		.kind = ARG_STRING,
		.flags = ARG_REQUIRED,
		.offset = offsetof(struct geoip_args, source),
		.doc = "Extracted value that holds the address."},
	{.name = "db_type",
		.kind = ARG_STRING,
		.offset = offsetof(struct geoip_args, db_type),
		.doc = "What the database holds: \"city\", \"asn\" or \"country\"."},
	{.name = "custom_lookups",
		.kind = ARG_STRING_MAP,
		.offset = offsetof(struct geoip_args, custom_lookups),
		.doc = "Extracted name = JMESPath in the record; an empty one is the name itself."},
	{0},
};

enum { IN_CITY = 1, IN_ASN = 2, IN_COUNTRY = 4 };

/* A value of a record: the names on the way to it. "last" is the last element of a list. */
struct geo_field {
	const char *name;
	unsigned types;
	const char *path[4];
};

static const struct geo_field fields[] = {
	{"geoip_city_name", IN_CITY, {"city", "names", "en"}},
	{"geoip_country_name", IN_CITY | IN_COUNTRY, {"country", "names", "en"}},
	{"geoip_country_code", IN_CITY | IN_COUNTRY, {"country", "iso_code"}},
	{"geoip_continent_name", IN_CITY | IN_COUNTRY, {"continent", "names", "en"}},
	{"geoip_continent_code", IN_CITY | IN_COUNTRY, {"continent", "code"}},
	{"geoip_postal_code", IN_CITY, {"postal", "code"}},
	{"geoip_timezone", IN_CITY, {"location", "time_zone"}},
	{"geoip_subdivision_name", IN_CITY, {"subdivisions", "", "names", "en"}},
	{"geoip_subdivision_code", IN_CITY, {"subdivisions", "", "iso_code"}},
	{"geoip_autonomous_system_number", IN_ASN, {"autonomous_system_number"}},
	{"geoip_autonomous_system_organization", IN_ASN, {"autonomous_system_organization"}},
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

struct state {
	struct mmdb *db; /* NULL when only checking */
	unsigned type;
	size_t source, columns[FIELDS], latitude, longitude;
	struct json_paths *lookups; /* or NULL */
	size_t *lookup_columns;
};

static bool
check(struct stage_builder *b, const struct geoip_args *a, unsigned *ret_type)
{
	*ret_type = str_is(a->db_type, "city") ? IN_CITY : str_is(a->db_type, "asn") ? IN_ASN : str_is(a->db_type, "country") ? IN_COUNTRY : 0;
	if (a->db.len == 0)
		(void)stage_fail(b, "db path cannot be empty");
	else if (a->source.len == 0)
		(void)stage_fail(b, "source cannot be empty");
	else if (a->db_type.len == 0 && a->custom_lookups.n == 0)
		(void)stage_fail(b, "db type or values need to be set");
	else if (a->db_type.len > 0 && *ret_type == 0)
		(void)stage_fail(b, "db type should be either city or asn");
	else
		return true;
	return false;
}

static bool
build_lookups(struct stage_builder *b, struct state *s, const struct str_map *lookups)
{
	s->lookup_columns = arena_array(b->arena, size_t, lookups->n + 1);
	s->lookups = lookups->n > 0 ? json_paths_new(b->arena) : NULL;
	for (size_t k = 0; k < lookups->n; k++) {
		struct str name = lookups->items[k].name, path = lookups->items[k].value, error = STR_EMPTY;

		s->lookup_columns[k] = columns_number(b->columns, name);
		if (!json_paths_add(s->lookups, path.len > 0 ? path : name, &error)) {
			(void)stage_fail(b, "could not compile JMES expression: %.*s", STR_FMT(error));
			return false;
		}
	}
	return true;
}

static void *
build(struct stage_builder *b, const void *arguments)
{
	const struct geoip_args *a = arguments;
	struct state *s = arena_make(b->arena, struct state);
	struct str error = STR_EMPTY;

	if (!check(b, a, &s->type) || !build_lookups(b, s, &a->custom_lookups))
		return NULL;
	s->source = columns_number(b->columns, a->source);
	for (size_t k = 0; k < FIELDS; k++) {
		if ((fields[k].types & s->type) != 0)
			s->columns[k] = columns_number(b->columns, str_from(fields[k].name));
	}
	if (s->type == IN_CITY) {
		s->latitude = columns_number(b->columns, STR("geoip_location_latitude"));
		s->longitude = columns_number(b->columns, STR("geoip_location_longitude"));
	}
	/* A configuration may be checked on another machine than the one that has the database. */
	if (b->metrics == NULL)
		return s;
	s->db = mmdb_open(b->arena, arena_z(b->arena, a->db), &error);
	return s->db != NULL ? s : stage_fail(b, "open %.*s", STR_FMT(error));
}

static const struct json *
step(const struct json *value, const char *name)
{
	if (name[0] != '\0')
		return json_tree_get(value, str_from(name));
	if (value == NULL || value->kind != JSON_TREE_ARRAY || value->array.n == 0)
		return NULL;
	return &value->array.items[value->array.n - 1];
}

static const struct json *
follow(const struct json *record, const struct geo_field *f)
{
	const struct json *value = record;

	for (size_t k = 0; k < 4 && f->path[k] != NULL; k++)
		value = step(value, f->path[k]);
	return value;
}

/* Empty texts and zero are not set. */
static bool
to_cell(const struct json *value, struct cell *ret)
{
	if (value == NULL)
		return false;
	if (value->kind == JSON_TREE_STRING && value->text.len > 0) {
		*ret = cell_string(value->text);
		return true;
	}
	*ret = (struct cell){.kind = CELL_INTEGER, .integer = value->i};
	return value->kind == JSON_TREE_INT && value->i != 0;
}

static void
set_location(const struct state *s, struct batch *b, size_t i, const struct json *record)
{
	const struct json *location = json_tree_get(record, STR("location"));
	double latitude = 0, longitude = 0;

	if (!json_tree_number(json_tree_get(location, STR("latitude")), &latitude))
		latitude = 0;
	if (!json_tree_number(json_tree_get(location, STR("longitude")), &longitude))
		longitude = 0;
	if (latitude == 0 && longitude == 0)
		return;
	batch_set_cell(b, s->latitude, i, (struct cell){.kind = CELL_NUMBER, .number = latitude});
	batch_set_cell(b, s->longitude, i, (struct cell){.kind = CELL_NUMBER, .number = longitude});
}

static void
put_json(struct buf *out, const struct json *v)
{
	switch (v->kind) {
	case JSON_TREE_NULL:
		(void)buf_z(out, "null");
		return;
	case JSON_TREE_BOOL:
		(void)buf_z(out, v->boolean ? "true" : "false");
		return;
	case JSON_TREE_INT:
		(void)buf_printf(out, "%lld", (long long)v->i);
		return;
	case JSON_TREE_FLOAT:
		(void)buf_printf(out, "%.17g", v->f);
		return;
	case JSON_TREE_STRING:
		(void)json_tree_quote(out, v->text, false);
		return;
	case JSON_TREE_ARRAY:
		for (size_t k = 0; k < v->array.n; k++) {
			(void)buf_putc(out, k > 0 ? ',' : '[');
			put_json(out, &v->array.items[k]);
		}
		(void)buf_z(out, v->array.n > 0 ? "]" : "[]");
		return;
	case JSON_TREE_OBJECT:
		for (size_t k = 0; k < v->object.n; k++) {
			(void)buf_putc(out, k > 0 ? ',' : '{');
			(void)json_tree_quote(out, v->object.fields[k].name, false);
			(void)buf_putc(out, ':');
			put_json(out, &v->object.fields[k].value);
		}
		(void)buf_z(out, v->object.n > 0 ? "}" : "{}");
		return;
	}
}

/* A list or a map that a lookup finds is there, but has no text, as in Alloy; its JSON text is known by its bracket. */
static struct cell
lookup_cell(const struct json_value *v)
{
	switch (v->kind) {
	case JSON_STRING:
		if (v->text.len > 0 && (v->text.s[0] == '{' || v->text.s[0] == '['))
			return (struct cell){.kind = CELL_NIL};
		return cell_string(v->text);
	case JSON_NUMBER:
		return (struct cell){.kind = CELL_NUMBER, .number = v->number};
	case JSON_BOOL:
		return (struct cell){.kind = CELL_BOOL, .boolean = v->boolean};
	case JSON_NULL:
		break;
	}
	return (struct cell){.kind = CELL_ABSENT};
}

static void
look_up(const struct state *s, struct batch *b, size_t i, const struct json *record)
{
	size_t n = json_paths_count(s->lookups);
	struct json_value *values = arena_array(b->arena, struct json_value, n + 1);
	struct buf text;

	buf_borrow(&text, RECORD_BYTES_MAX);
	put_json(&text, record);
	if (!text.overflow && json_extract(s->lookups, arena_str(b->arena, buf_view(&text)), b->arena, NULL, values, NULL)) {
		for (size_t k = 0; k < n; k++) {
			struct cell cell = lookup_cell(&values[k]);

			if (cell.kind != CELL_ABSENT)
				batch_set_cell(b, s->lookup_columns[k], i, cell);
		}
	}
	buf_give_back(&text);
}

static void
set_record(const struct state *s, struct batch *b, size_t i, const struct json *record)
{
	struct cell cell;

	for (size_t k = 0; k < FIELDS; k++) {
		if ((fields[k].types & s->type) != 0 && to_cell(follow(record, &fields[k]), &cell))
			batch_set_cell(b, s->columns[k], i, cell);
	}
	if (s->type == IN_CITY)
		set_location(s, b, i, record);
	if (s->lookups != NULL)
		look_up(s, b, i, record);
}

#define REMEMBERED 8 /* addresses of a batch */

struct known {
	struct str address; /* s == NULL: none yet */
	const struct json *record;
};

static const struct json *
record_of(const struct state *s, struct batch *b, struct known *known, size_t *next, struct str address)
{
	for (size_t k = 0; k < REMEMBERED; k++) {
		if (known[k].address.s != NULL && str_eq(known[k].address, address))
			return known[k].record;
	}
	*next = (*next + 1) % REMEMBERED;
	known[*next] = (struct known){address, mmdb_lookup(s->db, address, b->arena)};
	return known[*next].record;
}

static void
apply(void *state, struct batch *b)
{
	const struct state *s = state;
	struct known known[REMEMBERED] = {0};
	const struct json *record;
	struct str address;
	size_t next = 0;

	for (size_t i = 0; s->db != NULL && i < b->n; i++) {
		if (!stage_text(b, s->source, i, &address))
			continue;
		record = record_of(s, b, known, &next, address);
		if (record != NULL)
			set_record(s, b, i, record);
	}
}

static const struct stage_type type = {.build = build, .apply = apply};

const struct arg_variant stage_geoip = {
	.name = "geoip",
	.args = args,
	.args_size = sizeof(struct geoip_args),
	.type = &type,
	.doc = "Extracts what a MaxMind database knows of an address.",
};
