/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Values of the configuration language. Immutable once made; they and all they point to live in one
 * arena (configuration generation or call), except capsules, whose pointee belongs to its maker.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "longship/base/arena.h"
#include "longship/base/buf.h"
#include "longship/base/str.h"

enum value_kind {
	VALUE_NULL,
	VALUE_BOOL,
	VALUE_INT,   /* int64 */
	VALUE_UINT,  /* uint64 */
	VALUE_FLOAT, /* double */
	VALUE_STRING,
	VALUE_BYTES, /* of from_base64: typed "array", converts to string */
	VALUE_ARRAY,
	VALUE_PATHS, /* an array of targets that is not made yet (path_targets.h); expressions never see it */
	VALUE_OBJECT,
	VALUE_TARGET,   /* an object of strings that is typed "capsule" */
	VALUE_SECRET,   /* text */
	VALUE_OPTIONAL_SECRET, /* text, is_secret */
	VALUE_FUNCTION,
	VALUE_CAPSULE, /* receivers, relabel rules, … */
	VALUE_KIND_COUNT
};

struct value;
struct function;
struct path_targets;

/* Names a capsule's type, e.g. "LogsReceiver"; compared by address. */
struct capsule_type {
	const char *name; /* as in messages: capsule("LogsReceiver") */
};

struct field {
	struct str name;
	const struct value *value;
};

struct value {
	enum value_kind kind;
	bool is_secret; /* VALUE_OPTIONAL_SECRET */
	/* The evaluator's mark of the expression that made this value, for messages; travels with copies, 0: unknown.
	 * Means something during one evaluation only and is no part of the value. */
	uint32_t origin : 24;
	union {
		bool boolean;
		int64_t i;
		uint64_t u;
		double f;
		struct str text; /* STRING, BYTES, SECRET, OPTIONAL_SECRET */
		struct {
			const struct value *items;
			size_t n;
		} array;
		struct {
			const struct field *fields; /* unique names, in order of first appearance */
			size_t n;
		} object; /* OBJECT, TARGET */
		struct path_targets *paths; /* a copy in an arena holds a reference */
		const struct function *function;
		struct {
			const struct capsule_type *type;
			void *ptr;
		} capsule;
	};
};

static inline struct value
value_string(struct str s)
{
	return (struct value){.kind = VALUE_STRING, .text = s};
}
static inline struct value
value_bool(bool b)
{
	return (struct value){.kind = VALUE_BOOL, .boolean = b};
}
static inline struct value
value_int(int64_t i)
{
	return (struct value){.kind = VALUE_INT, .i = i};
}
static inline struct value
value_float(double f)
{
	return (struct value){.kind = VALUE_FLOAT, .f = f};
}
static inline struct value
value_capsule(const struct capsule_type *type, void *ptr)
{
	return (struct value){.kind = VALUE_CAPSULE, .capsule = {type, ptr}};
}
static inline bool
value_is_number(const struct value *v)
{
	return v->kind == VALUE_INT || v->kind == VALUE_UINT || v->kind == VALUE_FLOAT;
}

/* Builds an object: fields may repeat a name, the last wins in place. */
struct value_object_builder {
	struct arena *arena;
	struct field *fields;
	size_t n, cap;
};
void value_object_add(struct value_object_builder *, struct str name, struct value);
struct value value_object_end(struct value_object_builder *);

/* A deep copy into the arena, without origins; capsules keep their pointee. */
struct value value_copy(struct arena *, const struct value *);
/* "null", "number", "string", "bool", "array", "object", "function", "capsule" as messages say it. */
const char *value_type_name(const struct value *);
/* The field of an object or target, or NULL. */
const struct value *value_get(const struct value *, struct str name);
/* Deep equality by the language's rules (3 == 3.0; capsules by address; functions never). */
bool value_equal(const struct value *, const struct value *);
/* Number as text the way a string argument sees it: "8080", "3.9", no exponent. */
struct str value_number_text(struct arena *, const struct value *);
/* Compact JSON with sorted keys as encoding.to_json prints it (< > & escaped when html); secrets as "(secret)". */
void value_to_json(const struct value *, struct buf *, bool html);
