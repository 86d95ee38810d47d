/* SPDX-License-Identifier: Apache-2.0 */
#include "check_priv.h"

#include <string.h>

#include "longship/os/sdjournal_files.h"

/* libsystemd leaves out silently what it cannot open: each file is opened on its own. */

static void
check_scan(struct check *c, const char *id, const struct sdjournal_faults *f)
{
	const char *join = arena_printf(c->arena, "usermod -aG systemd-journal %s", c->user).s;

	if (f->denied > 0)
		check_finding(c, CHECK_FAIL, join, "%s: %s cannot read %zu of %zu journal files, as %s", id, c->user, f->denied,
			f->files, f->denied_path);
	if (f->unsupported > 0)
		check_finding(c, CHECK_FAIL, "install the libsystemd of this machine's systemd, or set SYSTEMD_JOURNAL_COMPACT=0 and the like "
					     "for systemd-journald and run journalctl --rotate",
			"%s: libsystemd here cannot read %zu journal files (%s), as %s", id, f->unsupported, f->unsupported_flags,
			f->unsupported_path);
	if (f->damaged > 0)
		check_finding(c, CHECK_WARN, arena_printf(c->arena, "journalctl --verify --file=%s", check_word(c, f->damaged_path)).s,
			"%s: %zu journal files are damaged, as %s", id, f->damaged, f->damaged_path);
	if (f->readable > 0)
		check_finding(c, CHECK_OK, NULL, "%s: %s can read %zu journal files", id, c->user, f->readable);
	else if (f->denied == 0 && f->unsupported == 0 && f->damaged == 0)
		check_finding(c, CHECK_FAIL, "systemctl status systemd-journald; journalctl --header",
			"%s: there are no journal files of this machine that %s can see", id, c->user);
}

void
check_journal(struct check *c)
{
	for (size_t i = 0; i < graph_load_len(c->load); i++) {
		const struct component *component = graph_load_at(c->load, i);
		struct sdjournal_options options = {0};
		struct sdjournal_faults faults = {0};
		struct str path, name_space;

		if (component == NULL || strcmp(component->type->name, "loki.source.journal") != 0)
			continue;
		path = *(const struct str *)check_field(component->type->args, component->args, "path");
		name_space = *(const struct str *)check_field(component->type->args, component->args, "namespace");
		if (path.len > 0)
			options.path = arena_z(c->arena, path);
		if (name_space.len > 0)
			options.name_space = arena_z(c->arena, name_space);
		sdjournal_guard();
		sdjournal_scan(&options, &faults);
		check_scan(c, component->id, &faults);
	}
}
