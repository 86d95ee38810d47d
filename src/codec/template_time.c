/* SPDX-License-Identifier: Apache-2.0 */
#include "template_priv.h"

#include <inttypes.h>

#include "longship/base/duration.h"
#include "longship/base/limits.h"

/* Dates. "Now" is the time of the line; what sprig takes for now, because it cannot read it, is that, too. */

#define ARGS struct template_run *r, const struct tvalue *args, size_t n, struct tvalue *ret

#define NS 1000000000

static bool
give_time(struct template_run *r, struct timefmt_time time, struct tvalue *ret)
{
	struct timefmt_time *copy = template_alloc(r, 1, sizeof(*copy));

	if (copy == NULL)
		return false;
	*copy = time;
	*ret = (struct tvalue){.kind = T_TIME, .time = copy};
	return true;
}

static struct timefmt_time
line_time(const struct template_run *r)
{
	return timefmt_from_ns(r->data->now_ns, r->template->local);
}

static bool
now(ARGS)
{
	(void)args;
	(void)n;
	return give_time(r, line_time(r), ret);
}

/* The same instant in another zone. */
static struct timefmt_time
in_zone(struct timefmt_time t, const struct timezone_db *zone)
{
	struct tz_period period = tz_lookup(zone, t.sec);

	t.zone = zone;
	t.zone_name = period.name;
	t.offset_s = period.offset_s;
	return t;
}

static struct timefmt_time
instant(const struct template_run *r, const struct tvalue *v)
{
	if (v->kind == T_TIME)
		return *v->time;
	if (v->kind == T_INT || v->kind == T_INT64)
		return in_zone((struct timefmt_time){.sec = v->i}, r->template->local);
	return line_time(r);
}

static bool
format_in(struct template_run *r, struct str layout, const struct tvalue *date, const struct timezone_db *zone, struct tvalue *ret)
{
	struct timefmt_time t = in_zone(instant(r, date), zone);

	if (template_alloc(r, layout.len + 1, 64) == NULL)
		return false;
	buf_clear(&r->text);
	timefmt_format(timefmt_compile(r->arena, layout), &t, &r->text);
	return tv_take_text(r, ret);
}

/* An unknown zone is UTC. */
static const struct timezone_db *
zone_by_name(struct template_run *r, struct str name)
{
	const struct timezone_db *zone;
	struct str error;

	if (str_is(name, "Local"))
		return r->template->local;
	zone = template_keep(r, 'z', name);
	if (zone == NULL) {
		zone = tz_load(r->kept_arena, name, &error);
		template_kept(r, 'z', name, zone != NULL ? zone : tz_utc());
	}
	return zone != NULL ? zone : tz_utc();
}

static bool
date(ARGS)
{
	(void)n;
	return format_in(r, args[0].s, &args[1], r->template->local, ret);
}

static bool
date_in_zone(ARGS)
{
	(void)n;
	return format_in(r, args[0].s, &args[1], zone_by_name(r, args[2].s), ret);
}

static bool
html_date(ARGS)
{
	(void)n;
	return format_in(r, STR("2006-01-02"), &args[0], r->template->local, ret);
}

static bool
html_date_in_zone(ARGS)
{
	(void)n;
	return format_in(r, STR("2006-01-02"), &args[0], zone_by_name(r, args[1].s), ret);
}

static bool
moved(struct template_run *r, const struct timefmt_time *t, int64_t ns, struct tvalue *ret)
{
	struct timefmt_time to = *t;
	int64_t nsec = to.nsec + ns % NS;

	to.sec += ns / NS + (nsec >= NS) - (nsec < 0);
	to.nsec = (int32_t)(nsec >= NS ? nsec - NS : nsec < 0 ? nsec + NS : nsec);
	return give_time(r, to.zone != NULL ? in_zone(to, to.zone) : to, ret);
}

static bool
date_modify(ARGS)
{
	int64_t ns;

	(void)n;
	*ret = args[1];
	return !duration_parse(args[0].s, &ns) || moved(r, args[1].time, ns, ret);
}

static bool
must_date_modify(ARGS)
{
	int64_t ns;

	(void)n;
	if (!duration_parse(args[0].s, &ns))
		return template_fail(r, "time: invalid duration");
	return moved(r, args[1].time, ns, ret);
}

static bool
parse_date(struct template_run *r, struct str layout, struct str text, struct timefmt_time *ret)
{
	if (template_alloc(r, layout.len + 1, 64) == NULL)
		return false;
	return timefmt_parse(timefmt_compile(r->arena, layout), text, r->template->local, r->template->local, ret);
}

static bool
to_date(ARGS)
{
	struct timefmt_time t;

	(void)n;
	if (!parse_date(r, args[0].s, args[1].s, &t))
		t = (struct timefmt_time){.sec = -62135596800, .zone = tz_utc(), .zone_name = STR("UTC")}; /* Go's zero time */
	return give_time(r, t, ret);
}

static bool
must_to_date(ARGS)
{
	struct timefmt_time t;

	(void)n;
	if (!parse_date(r, args[0].s, args[1].s, &t))
		return template_fail(r, "parsing time");
	return give_time(r, t, ret);
}

static bool
unix_epoch(ARGS)
{
	(void)n;
	buf_clear(&r->text);
	(void)buf_printf(&r->text, "%" PRId64, args[0].time->sec);
	return tv_take_text(r, ret);
}

static bool
give_duration(struct template_run *r, int64_t ns, struct tvalue *ret)
{
	char text[DURATION_BYTES];

	buf_clear(&r->text);
	(void)buf_z(&r->text, duration_format(ns, text));
	return tv_take_text(r, ret);
}

/* Nanoseconds from t to the line's time, held to what an int64 can say. */
static int64_t
since(const struct template_run *r, const struct timefmt_time *t)
{
	__int128 ns = (__int128)r->data->now_ns - ((__int128)t->sec * NS + t->nsec);

	return ns > INT64_MAX ? INT64_MAX : ns < INT64_MIN ? INT64_MIN : (int64_t)ns;
}

/* Duration.Round(time.Second): half away from zero. */
static int64_t
round_to_second(int64_t ns)
{
	int64_t rest = ns % NS;

	if (rest > -NS / 2 && rest < NS / 2)
		return ns - rest;
	if (rest > 0 ? ns > INT64_MAX - NS : ns < INT64_MIN + NS)
		return rest > 0 ? INT64_MAX : INT64_MIN;
	return ns - rest + (rest > 0 ? NS : -NS);
}

static bool
ago(ARGS)
{
	struct timefmt_time t = instant(r, &args[0]);

	(void)n;
	return give_duration(r, round_to_second(since(r, &t)), ret);
}

static bool
duration(ARGS)
{
	int64_t sec = 0;

	(void)n;
	if (args[0].kind == T_INT64)
		sec = args[0].i;
	else if (args[0].kind == T_STRING && !template_parse_int(args[0].s, 10, &sec))
		sec = 0;
	return give_duration(r, (int64_t)((uint64_t)sec * NS), ret);
}

static bool
duration_round(ARGS)
{
	static const struct {
		uint64_t seconds;
		const char *unit;
	} units[] = {{31536000, "y"}, {2592000, "mo"}, {86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
	int64_t ns = 0;
	uint64_t magnitude;

	(void)n;
	if (args[0].kind == T_INT64)
		ns = args[0].i;
	else if (args[0].kind == T_TIME)
		ns = since(r, args[0].time);
	else if (args[0].kind == T_STRING && !duration_parse(args[0].s, &ns))
		ns = 0;
	magnitude = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	buf_clear(&r->text);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (magnitude <= units[i].seconds * NS)
			continue;
		(void)buf_printf(&r->text, "%" PRIu64 "%s", magnitude / (units[i].seconds * NS), units[i].unit);
		return tv_take_text(r, ret);
	}
	(void)buf_z(&r->text, "0s");
	return tv_take_text(r, ret);
}

/* ---- methods ---- */

static bool
time_number(const struct timefmt_time *t, struct str name, struct tvalue *ret)
{
	struct timefmt_civil c = timefmt_civil(t);
	const struct {
		const char *name;
		int64_t value;
		bool is_int;
	} numbers[] = {
		{"Unix", t->sec, false},
		{"UnixMilli", (int64_t)((uint64_t)t->sec * 1000 + (uint64_t)t->nsec / 1000000), false},
		{"UnixMicro", (int64_t)((uint64_t)t->sec * 1000000 + (uint64_t)t->nsec / 1000), false},
		{"UnixNano", (int64_t)((uint64_t)t->sec * NS + (uint64_t)t->nsec), false},
		{"Year", c.year, true},
		{"Day", c.day, true},
		{"YearDay", c.yday, true},
		{"Hour", c.hour, true},
		{"Minute", c.minute, true},
		{"Second", c.second, true},
		{"Nanosecond", c.nsec, true},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!str_is(name, numbers[i].name))
			continue;
		*ret = numbers[i].is_int ? tv_int(numbers[i].value) : tv_int64(numbers[i].value);
		return true;
	}
	return false;
}

bool
template_time_method(struct template_run *r, const struct timefmt_time *t, struct str name, const struct tvalue *args, size_t n, struct tvalue *ret)
{
	struct timefmt_time copy = *t;

	if (n == 1 && str_is(name, "Format")) {
		if (template_alloc(r, args[0].s.len + 1, 64) == NULL)
			return false;
		buf_clear(&r->text);
		timefmt_format(timefmt_compile(r->arena, args[0].s), &copy, &r->text);
		return tv_take_text(r, ret);
	}
	if (n > 0)
		return template_fail(r, "wrong number of args for %.*s", STR_FMT(name));
	if (str_is(name, "UTC"))
		return give_time(r, in_zone(copy, tz_utc()), ret);
	if (str_is(name, "Local"))
		return give_time(r, in_zone(copy, r->template->local), ret);
	if (str_is(name, "String")) {
		const struct tvalue v = {.kind = T_TIME, .time = &copy};

		*ret = tv_string(STR(""));
		return tv_text(r, &v, &ret->s);
	}
	return time_number(t, name, ret);
}

const struct tfunction template_time_functions[] = {
	{"now", "", now, NULL},
	{"date", "sa", date, NULL},
	{"date_in_zone", "sas", date_in_zone, NULL},
	{"dateInZone", "sas", date_in_zone, NULL},
	{"htmlDate", "a", html_date, NULL},
	{"htmlDateInZone", "as", html_date_in_zone, NULL},
	{"date_modify", "st", date_modify, NULL},
	{"dateModify", "st", date_modify, NULL},
	{"must_date_modify", "st", must_date_modify, NULL},
	{"mustDateModify", "st", must_date_modify, NULL},
	{"toDate", "ss", to_date, NULL},
	{"mustToDate", "ss", must_to_date, NULL},
	{"unixEpoch", "t", unix_epoch, NULL},
	{"ago", "a", ago, NULL},
	{"duration", "a", duration, NULL},
	{"durationRound", "a", duration_round, NULL},
	{NULL, NULL, NULL, NULL},
};
