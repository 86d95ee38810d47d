/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include <stdio.h>
#include <string.h>

#include "longship/base/check.h"
#include "longship/base/clock.h"

#define NAMES_KNOWN_MAX 4096 /* names whose regex result is remembered */
#define OWN_PER_SECOND 50    /* longship's own lines, where they are wanted: more would be a loop */

static bool
regex_wants(struct reader *r, struct str name)
{
	struct name known;
	char label[sizeof("__journal_") + FIELD_NAME_BYTES_MAX] = "__journal_";
	size_t at = strlen(label);

	if (name.len > FIELD_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < r->names.len; i++)
		if (r->names.items[i].len == name.len && memcmp(r->names.items[i].text, name.s, name.len) == 0)
			return r->names.items[i].wanted;
	known = reader_name(name, false);
	for (size_t i = 0; i < name.len; i++)
		label[at++] = (char)(name.s[i] >= 'A' && name.s[i] <= 'Z' ? name.s[i] + 32 : name.s[i]);
	for (size_t i = 0; i < r->regexes.len && !known.wanted; i++)
		known.wanted = regex_test(r->regexes.items[i], (struct str){label, at}) == REGEX_YES ||
			(str_is(name, "PRIORITY") && regex_test(r->regexes.items[i], STR("__journal_priority_keyword")) == REGEX_YES);
	if (r->names.len < NAMES_KNOWN_MAX)
		vec_push(&r->names, known);
	return known.wanted;
}

static bool
is_wanted(struct reader *r, struct str name)
{
	for (size_t i = 0; i < r->fields.len; i++) {
		const struct name *f = &r->fields.items[i];

		if (f->len == name.len && memcmp(f->text, name.s, name.len) == 0)
			return true;
	}
	return r->regexes.len > 0 && regex_wants(r, name);
}

struct entry {
	struct journal_record head;
	bool has_message, of_own_unit, of_own_program;
};

static struct str
cut(struct entry *e, struct str value, size_t max)
{
	if (value.len > max)
		e->head.flags |= JOURNAL_RECORD_CUT;
	return str_head(value, max);
}

static void
take_field(struct reader *r, struct entry *e, struct str name, struct str value)
{
	if (r->all_fields) {
		if (!journal_wire_put_field(&r->body, name, cut(e, value, JOURNAL_FIELD_BYTES_MAX)))
			e->head.flags |= JOURNAL_RECORD_CUT;
	} else if (str_is(name, "MESSAGE")) {
		buf_clear(&r->body);
		e->has_message = value.len > 0;
		(void)buf_str(&r->body, cut(e, value, JOURNAL_FIELD_BYTES_MAX));
	}
	if (is_wanted(r, name))
		(void)journal_wire_put_field(&r->labels, name, str_head(value, JOURNAL_WIRE_LABEL_BYTES_MAX));
	if (name.len == 13 && str_is(name, "_SYSTEMD_UNIT"))
		e->of_own_unit = str_is(value, "longship.service") || str_is(value, r->own_unit);
	else if (name.len == 5 && str_is(name, "_COMM"))
		e->of_own_program = str_is(value, "longship");
}

/* Times of the journal are microseconds: entries of one and the same are told apart by nanoseconds, also when reading goes on between
 * them, else Loki would take two equal lines for one. */
static int64_t
spread_time(struct reader *r, int64_t ns)
{
	if (ns == r->last_us_ns)
		r->same_time++;
	else
		r->same_time = 0;
	r->last_us_ns = ns;
	return ns + (r->same_time < NS_PER_US ? r->same_time : NS_PER_US - 1);
}

/* Own lines beyond the rate, or all of them where none is wanted. Counted in the journal's time, so that reading again decides the same. */
static bool
leave_out_own(struct reader *r, const struct entry *e, int64_t ns)
{
	if (!e->of_own_unit || !e->of_own_program)
		return false;
	if (!r->own_lines)
		return true;
	if (ns / NS_PER_S != r->own_second) {
		r->own_second = ns / NS_PER_S;
		r->own_count = 0;
	}
	return ++r->own_count > OWN_PER_SECOND;
}

int
reader_put_record(struct reader *r, struct sdjournal *j)
{
	struct entry e = {0};
	struct journal_frame frame = {.kind = JOURNAL_RECORD};
	struct str name, value;
	int64_t ns;
	int err = sdjournal_realtime(j, &ns);

	if (err < 0)
		return err;
	buf_clear(&r->labels);
	buf_clear(&r->body);
	sdjournal_fields_again(j);
	while (sdjournal_field(j, &name, &value))
		take_field(r, &e, name, value);
	e.head.ts_ns = spread_time(r, ns);
	if (leave_out_own(r, &e, ns)) {
		e.head.flags = JOURNAL_RECORD_OWN;
		buf_clear(&r->labels);
		buf_clear(&r->body);
	} else if (!r->all_fields && !e.has_message) {
		e.head.flags |= JOURNAL_RECORD_NO_MESSAGE;
	}
	e.head.label_bytes = (uint32_t)r->labels.len;
	frame.bytes = (uint32_t)(sizeof(e.head) + r->labels.len + r->body.len);
	(void)buf_append(&r->block, &frame, sizeof(frame));
	(void)buf_append(&r->block, &e.head, sizeof(e.head));
	(void)buf_str(&r->block, buf_view(&r->labels));
	(void)buf_str(&r->block, buf_view(&r->body));
	assert(!r->block.overflow);
	r->in_block++;
	r->n_records++;
	r->since_anchor++;
	return 0;
}
