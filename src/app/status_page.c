/* SPDX-License-Identifier: Apache-2.0 */
#include "status_page.h"

#include "longship/base/clock.h"
#include "longship/base/duration.h"
#include "longship/base/str.h"
#include "longship/flow/graph.h"
#include "longship/flow/sender.h"

#include "process_metrics.h"

#define DESTINATIONS_SHOWN_MAX 200 /* that take nothing, or did not at the last attempt */

static void
put_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '<':
			buf_z(out, "&lt;");
			break;
		case '>':
			buf_z(out, "&gt;");
			break;
		case '&':
			buf_z(out, "&amp;");
			break;
		case '"':
			buf_z(out, "&quot;");
			break;
		default:
			buf_putc(out, *text);
		}
	}
}

static void
put_component(struct buf *out, const struct component *component)
{
	char time[CLOCK_RFC3339_BYTES];
	struct graph_health health;

	graph_health(component, &health);
	buf_printf(out, "<tr class=\"%s\"><td>%s</td><td>", graph_health_name(health.health),
		graph_health_name(health.health));
	if ((component->type->flags & COMPONENT_BLOCK) == 0) {
		buf_z(out, "<a href=\"/api/v0/web/components/");
		put_escaped(out, component->id);
		buf_z(out, "\">");
		put_escaped(out, component->id);
		buf_z(out, "</a>");
	} else {
		put_escaped(out, component->id);
	}
	buf_z(out, "</td><td>");
	put_escaped(out, health.message);
	buf_printf(out, "</td><td>%s</td></tr>\n", clock_format_rfc3339(health.updated_ns, time));
}

struct destination_list {
	struct buf *out;
	size_t n, n_parked, n_shown;
};

static const char *
state_of(const struct destination_status *d)
{
	if (d->state != DESTINATION_OPEN)
		return "parked";
	return d->failures > 0 ? "failing" : d->lags > 0 ? "catching up" : "";
}

static void
put_destination(void *ptr, const struct destination_status *d)
{
	struct destination_list *list = ptr;
	struct buf *out = list->out;
	char time[CLOCK_RFC3339_BYTES];

	list->n++;
	list->n_parked += d->state != DESTINATION_OPEN;
	if (state_of(d)[0] == '\0' || list->n_shown == DESTINATIONS_SHOWN_MAX)
		return;
	if (list->n_shown++ == 0)
		buf_z(out, "<h2>Destinations that take nothing, or lag behind</h2>\n<table><tr><th>State</th><th>Component</th><th>Host</th>"
			"<th>Tenant</th><th>Sources ahead of it</th><th>Last error</th><th>At</th></tr>\n");
	buf_printf(out, "<tr class=\"%s\"><td>%s</td><td>", d->state != DESTINATION_OPEN || d->failures > 0 ? "unhealthy" : "healthy", state_of(d));
	put_escaped(out, d->component_id);
	buf_z(out, "</td><td>");
	put_escaped(out, d->host);
	buf_z(out, "</td><td>");
	put_escaped(out, d->tenant);
	buf_printf(out, "</td><td>%u</td><td>", d->lags);
	put_escaped(out, d->last_error);
	buf_printf(out, "</td><td>%s</td></tr>\n", d->last_error_ns != 0 ? clock_format_rfc3339(d->last_error_ns, time) : "");
}

static void
put_destinations(struct buf *out)
{
	struct destination_list list = {.out = out};

	destination_each(put_destination, &list);
	if (list.n_shown > 0)
		buf_z(out, "</table>\n");
	if (list.n > 0)
		buf_printf(out, "<p>%zu destinations (an endpoint and a tenant), %zu of them parked: their lines wait in their files</p>\n", list.n,
			list.n_parked);
}

void
status_page_print(const struct graph *graph, struct buf *out)
{
	int64_t uptime_ns = (clock_now_ns() - process_metrics_start_ns()) / NS_PER_S * NS_PER_S;
	char uptime[DURATION_BYTES];

	buf_z(out,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>longship</title><style>\n"
		"body{font:15px/1.5 system-ui,sans-serif;margin:2em;max-width:80em}td,th{text-align:left;padding:.2em "
		"1em .2em 0;"
		"vertical-align:top}.unhealthy td,.exited td{color:#b00}\n</style></head><body>\n<h1>longship</h1>\n");
	buf_printf(out, "<p>version %s, up %s · <a href=\"/metrics\">metrics</a></p>\n", LONGSHIP_VERSION,
		duration_format(uptime_ns > 0 ? uptime_ns : 0, uptime));
	buf_z(out, "<table><tr><th>Health</th><th>Component</th><th>Message</th><th>Since</th></tr>\n");
	for (size_t i = 0; graph != NULL && i < graph_len(graph); i++)
		put_component(out, graph_at(graph, i));
	buf_z(out, "</table>\n");
	put_destinations(out);
	buf_z(out, "</body></html>\n");
}
